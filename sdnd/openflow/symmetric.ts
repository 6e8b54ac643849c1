// The messages that either side may send: hello, echo and experimenter; and the form of messages without a body. Must not
// judge them: which version to speak is the connection's decision.

import { EXPERIMENTER_TYPE, type MessageCodec } from './codec.ts';
import type { Cursor } from './cursor.ts';
import type { Writer } from './writer.ts';

/**
 * First message of both sides (OpenFlow 1.3.5, 7.5.1). `versions` are the wire versions of the bitmap, ascending (4 is
 * 1.3); empty when the peer sent no bitmap: then its header's version is the highest that it speaks.
 */
export interface Hello {
  readonly type: 'hello';
  readonly versions: readonly number[];
}

/** Liveness probe and its answer, which carries the same data (7.5.2). */
export interface Echo {
  readonly type: 'echo-request' | 'echo-reply';
  readonly data: Uint8Array;
}

/** Another organisation's message, uninterpreted (7.5.3). */
export interface Experimenter {
  readonly type: 'experimenter';
  readonly experimenter: number;
  readonly experimenterType: number;
  readonly data: Uint8Array;
}

/** A request without a body, and the barrier reply. */
export interface BareMessage<T extends string> {
  readonly type: T;
}

/** OFPHET_VERSIONBITMAP (7.5.1). */
const HELLO_VERSION_BITMAP = 1;

export const helloCodec: MessageCodec<Hello> = { wireType: 0, write: writeHello, read: readHello };

function writeHello(writer: Writer, { versions }: Hello): void {
  if (versions.length === 0) return;
  const words = new Uint32Array(Math.floor(Math.max(...versions) / 32) + 1);
  for (const version of versions) {
    const word = Math.floor(version / 32);
    words[word] = (words[word] ?? 0) | (1 << (version % 32));
  }
  const start = writer.at;
  writer.u16(HELLO_VERSION_BITMAP, 'hello element');
  const length = writer.length();
  for (const word of words) writer.u32(word, 'version bitmap');
  writer.setLength(length, start);
  writer.pad8(start);
}

function readHello(cursor: Cursor): Hello {
  let versions: number[] = [];
  while (cursor.left > 0) {
    const type = cursor.u16();
    const length = cursor.u16();
    if (length < 4) throw cursor.fault('bad-size', `hello element ${type} is ${length} bytes long`);
    const body = cursor.part(length - 4);
    if (type === HELLO_VERSION_BITMAP) versions = readVersions(body);
    cursor.skip(Math.min(cursor.left, (8 - (length % 8)) % 8));
  }
  return { type: 'hello', versions };
}

function readVersions(body: Cursor): number[] {
  const versions: number[] = [];
  // A version is 8 bits wide, so words past the eighth mean nothing.
  for (let first = 0; body.left >= 4 && first < 256; first += 32) {
    const word = body.u32();
    for (let bit = 0; bit < 32; bit++) if ((word >>> bit) & 1) versions.push(first + bit);
  }
  return versions;
}

function echoCodec(type: Echo['type'], wireType: number): MessageCodec<Echo> {
  return {
    wireType,
    write: (writer, message) => writer.bytes(message.data),
    read: (cursor) => ({ type, data: cursor.rest() }),
  };
}

export const echoRequestCodec = echoCodec('echo-request', 2);
export const echoReplyCodec = echoCodec('echo-reply', 3);

export const experimenterCodec: MessageCodec<Experimenter> = {
  wireType: EXPERIMENTER_TYPE,
  write(writer, message) {
    writer.u32(message.experimenter, 'experimenter');
    writer.u32(message.experimenterType, 'experimenterType');
    writer.bytes(message.data);
  },
  read: (cursor) => ({
    type: 'experimenter',
    experimenter: cursor.u32(),
    experimenterType: cursor.u32(),
    data: cursor.rest(),
  }),
};

/** The codec of a message that is its header and nothing more. */
export function bareCodec<T extends string>(type: T, wireType: number): MessageCodec<BareMessage<T>> {
  return { wireType, write: () => undefined, read: () => ({ type }) };
}
