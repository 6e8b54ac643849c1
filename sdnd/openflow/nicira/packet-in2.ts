// Nicira's packet-in with properties, and the message that lets a packet go on which waits for the controller.

import type { MessageCodec } from '../codec.ts';
import type { Cursor } from '../cursor.ts';
import { type Match, readFields, writeFields } from '../match.ts';
import { readProperties, writeOptional } from '../properties.ts';
import type { Writer } from '../writer.ts';
import { niciraMessage } from './messages.ts';

/**
 * A packet for the controller, and, with the continuation that came with it, the packet's way back. What is absent was not
 * told. NXT_PACKET_IN2, sent to a controller that has asked for it by nx-set-packet-in-format, and NXT_RESUME.
 */
export interface NxPacketIn2 {
  readonly type: 'nx-packet-in2' | 'nx-resume';
  /** The packet or its beginning; a view of the chunk that the message came in. */
  readonly data?: Uint8Array;
  /** Length of the whole packet, if `data` is not all of it. */
  readonly totalBytes?: number;
  readonly bufferId?: number;
  readonly tableId?: number;
  readonly cookie?: bigint;
  /** Number of the reason, enum ofp_packet_in_reason of 1.3 and later. */
  readonly reason?: number;
  /** The packet's context, as `match` of packet-in. */
  readonly metadata?: Match;
  /** What the nx-controller2 action held. */
  readonly userdata?: Uint8Array;
  /** The switch's own; goes back in nx-resume as it came. */
  readonly continuation?: Uint8Array;
}

// enum nx_packet_in2_prop_type.
const Property = {
  packet: 0,
  totalBytes: 1,
  bufferId: 2,
  tableId: 3,
  cookie: 4,
  reason: 5,
  metadata: 6,
  userdata: 7,
  continuation: 8,
} as const;

function packetIn2Codec(type: NxPacketIn2['type'], number: number): MessageCodec<NxPacketIn2> {
  return {
    ...niciraMessage(number),
    write: writePacketIn2,
    read(cursor) {
      let message: NxPacketIn2 = { type };
      readProperties(cursor, (property, body) => {
        message = { ...message, ...readPart(property, body) };
      });
      return message;
    },
  };
}

export const packetIn2MessageCodec = packetIn2Codec('nx-packet-in2', 30);
export const resumeCodec = packetIn2Codec('nx-resume', 28);

function writePacketIn2(writer: Writer, message: NxPacketIn2): void {
  const put = <T>(property: number, value: T | undefined, write: (value: T) => void): void =>
    writeOptional(writer, property, value, write);
  put(Property.packet, message.data, (data) => writer.bytes(data));
  put(Property.totalBytes, message.totalBytes, (bytes) => writer.u32(bytes, 'totalBytes'));
  put(Property.bufferId, message.bufferId, (id) => writer.u32(id, 'bufferId'));
  put(Property.tableId, message.tableId, (id) => writer.u8(id, 'tableId'));
  put(Property.cookie, message.cookie, (cookie) => {
    writer.pad(4);
    writer.u64(cookie, 'cookie');
  });
  put(Property.reason, message.reason, (reason) => writer.u8(reason, 'reason'));
  put(Property.metadata, message.metadata, (metadata) => writeFields(writer, metadata));
  put(Property.userdata, message.userdata, (userdata) => writer.bytes(userdata));
  put(Property.continuation, message.continuation, (continuation) => writer.bytes(continuation));
}

/** A property that is none of these is left out, as a newer switch's must be. */
function readPart(property: number, body: Cursor): Omit<NxPacketIn2, 'type'> {
  switch (property) {
    case Property.packet:
      return { data: body.rest() };
    case Property.totalBytes:
      return { totalBytes: body.u32() };
    case Property.bufferId:
      return { bufferId: body.u32() };
    case Property.tableId:
      return { tableId: body.u8() };
    case Property.cookie:
      body.skip(4);
      return { cookie: body.u64() };
    case Property.reason:
      return { reason: body.u8() };
    case Property.metadata:
      return { metadata: readFields(body.as('match')) };
    case Property.userdata:
      return { userdata: body.rest() };
    case Property.continuation:
      return { continuation: body.rest() };
    default:
      return {};
  }
}
