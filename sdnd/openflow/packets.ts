// Packets that travel between switch and controller: packet-in and packet-out. Must never look into the packet's bytes.

import type { Action } from './action-types.ts';
import { readActions, writeActions } from './actions.ts';
import { type MessageCodec, numberOf, wordOf } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { type Match, readMatch, writeMatch } from './match.ts';
import { PortNumber } from './ports.ts';
import type { Writer } from './writer.ts';

/** `bufferId` of a packet that lies in no buffer of the switch, OFP_NO_BUFFER (OpenFlow 1.3.5, 7.4.1). */
export const NO_BUFFER = 0xffffffff;

// enum ofp_packet_in_reason (7.4.1).
const PACKET_IN_REASONS = ['no-match', 'action', 'invalid-ttl'] as const;

/** Why a packet came: by the table-miss entry, by an output action, or with an expired TTL. */
export type PacketInReason = (typeof PACKET_IN_REASONS)[number];

/** A packet for the controller (7.4.1). */
export interface PacketIn {
  readonly type: 'packet-in';
  readonly bufferId: number;
  /** Length of the whole packet, of which `data` may be the beginning. */
  readonly totalBytes: number;
  readonly reason: PacketInReason;
  readonly tableId: number;
  readonly cookie: bigint;
  /** The packet's context: inPort always, metadata, tunnelId and registers where they are not zero. */
  readonly match: Match;
  /** A view of the chunk that the message came in; copy it to keep it. */
  readonly data: Uint8Array;
}

export const packetInCodec: MessageCodec<PacketIn> = {
  wireType: 10,
  write(writer: Writer, message: PacketIn) {
    writer.u32(message.bufferId, 'bufferId');
    writer.u16(message.totalBytes, 'totalBytes');
    writer.u8(numberOf(PACKET_IN_REASONS, message.reason, 'packet-in reason'), 'reason');
    writer.u8(message.tableId, 'tableId');
    writer.u64(message.cookie, 'cookie');
    writeMatch(writer, message.match);
    writer.pad(2);
    writer.bytes(message.data);
  },
  read(cursor: Cursor): PacketIn {
    const bufferId = cursor.u32();
    const totalBytes = cursor.u16();
    const reason = wordOf(PACKET_IN_REASONS, cursor.u8(), 'packet-in reason');
    const tableId = cursor.u8();
    const cookie = cursor.u64();
    const match = readMatch(cursor);
    cursor.skip(2);
    return { type: 'packet-in', bufferId, totalBytes, reason, tableId, cookie, match, data: cursor.rest() };
  },
};

/** A packet that the controller sends through the switch (7.3.7). */
export interface PacketOut {
  readonly type: 'packet-out';
  /** NO_BUFFER when the packet is in `data`. */
  readonly bufferId: number;
  /** The port that the packet counts as having come in by, or PortNumber.controller. */
  readonly inPort: number;
  readonly actions: readonly Action[];
  readonly data: Uint8Array;
}

export const packetOutCodec: MessageCodec<PacketOut> = {
  wireType: 13,
  write(writer: Writer, message: PacketOut) {
    writer.u32(message.bufferId, 'bufferId');
    writer.u32(message.inPort, 'inPort');
    const length = writer.length();
    writer.pad(6);
    const start = writer.at;
    writeActions(writer, message.actions);
    writer.setLength(length, start);
    writer.bytes(message.data);
  },
  read(cursor: Cursor): PacketOut {
    const bufferId = cursor.u32();
    const inPort = cursor.u32();
    const actionBytes = cursor.u16();
    cursor.skip(6);
    const actions = readActions(cursor.part(actionBytes));
    return { type: 'packet-out', bufferId, inPort, actions, data: cursor.rest() };
  },
};

/** A packet-out of a packet that lies in no buffer; `inPort` is the controller unless given. */
export function packetOut(
  data: Uint8Array,
  actions: readonly Action[],
  inPort: number = PortNumber.controller,
): PacketOut {
  return { type: 'packet-out', bufferId: NO_BUFFER, inPort, actions, data };
}
