// Multipart requests and replies: one message type each way, told apart by their part. Must not join the messages of one
// reply: that needs memory across messages and belongs to the connection.

import type { MessageCodec } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { PARTS, type PartName, type ReplyBody, type RequestBody } from './multipart-parts.ts';
import type { Writer } from './writer.ts';

/** Asks for what may not fit one message (OpenFlow 1.3.5, 7.3.5). `more`: the request goes on in another message. */
export type MultipartRequest = { readonly type: 'multipart-request'; readonly more: boolean } & RequestBody;

/** One message of an answer; the answer ends with the message of the same xid whose `more` is false (7.3.5). */
export type MultipartReply = { readonly type: 'multipart-reply'; readonly more: boolean } & ReplyBody;

const PART_OF_NUMBER: ReadonlyMap<number, PartName> = new Map(
  (Object.keys(PARTS) as PartName[]).map((part) => [PARTS[part].number, part]),
);

/** OFPMPF_REQ_MORE and OFPMPF_REPLY_MORE. */
const MORE_FLAG = 1;

type Body = RequestBody | ReplyBody;

/** A codec of one part as the caller that has looked its name up sees it. */
interface AnyBodyCodec {
  write(writer: Writer, body: Body): void;
  read(cursor: Cursor): object;
}

function multipartCodec<M extends MultipartRequest | MultipartReply>(
  type: M['type'],
  wireType: number,
  codecOf: (part: PartName) => AnyBodyCodec,
): MessageCodec<M> {
  return {
    wireType,
    write(writer, message) {
      writer.u16(message.part === 'raw' ? message.partNumber : PARTS[message.part].number, 'part');
      writer.u16(message.more ? MORE_FLAG : 0, 'flags');
      writer.pad(4);
      if (message.part === 'raw') writer.bytes(message.body);
      else codecOf(message.part).write(writer, message);
    },
    read(cursor) {
      const partNumber = cursor.u16();
      const more = (cursor.u16() & MORE_FLAG) !== 0;
      cursor.skip(4);
      const part = PART_OF_NUMBER.get(partNumber);
      if (part === undefined) return { type, more, part: 'raw', partNumber, body: cursor.rest() } as M;
      return { type, more, part, ...codecOf(part).read(cursor) } as M;
    },
  };
}

// A part's codec takes the body of its own part only, and is handed no other: the name that chose it came with the body.
export const multipartRequestCodec = multipartCodec<MultipartRequest>(
  'multipart-request',
  18,
  (part) => PARTS[part].request as AnyBodyCodec,
);

export const multipartReplyCodec = multipartCodec<MultipartReply>(
  'multipart-reply',
  19,
  (part) => PARTS[part].reply as AnyBodyCodec,
);
