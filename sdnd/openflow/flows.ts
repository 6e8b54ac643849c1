// Flow entries put in, changed, taken out and expired: flow-mod and flow-removed.

import { type MessageCodec, numberOf, wordOf } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { wireError } from './error-codes.ts';
import { type Instruction, readInstructions, writeInstructions } from './instructions.ts';
import { type Match, readMatch, writeMatch } from './match.ts';
import { NO_BUFFER } from './packets.ts';
import { PortNumber } from './ports.ts';
import type { Writer } from './writer.ts';

/** Wildcard table of deletes and of requests, OFPTT_ALL (OpenFlow 1.3.5, 7.3.4.1). */
export const TABLE_ALL = 0xff;

// enum ofp_flow_mod_command (7.3.4.1).
const FLOW_MOD_COMMANDS = ['add', 'modify', 'modify-strict', 'delete', 'delete-strict'] as const;

/** What a flow-mod does; the strict forms also compare priority and the exact match. */
export type FlowModCommand = (typeof FLOW_MOD_COMMANDS)[number];

/** Bits of a flow-mod's flags, OFPFF_* (7.3.4.1). */
export const FlowModFlag = {
  sendFlowRemoved: 1 << 0,
  checkOverlap: 1 << 1,
  resetCounts: 1 << 2,
  noPacketCounts: 1 << 3,
  noByteCounts: 1 << 4,
} as const;

/** Group numbers with a meaning of their own, OFPG_* (7.3.4.2). */
export const GroupNumber = { max: 0xffffff00, all: 0xfffffffc, any: 0xffffffff } as const;

/** Changes flow entries (7.3.4.1). `flowMod` fills in what seldom matters. */
export interface FlowMod {
  readonly type: 'flow-mod';
  readonly command: FlowModCommand;
  readonly tableId: number;
  readonly priority: number;
  readonly match: Match;
  readonly instructions: readonly Instruction[];
  readonly cookie: bigint;
  /** Restricts modify and delete to entries whose cookie has these bits of `cookie`; 0 restricts nothing. */
  readonly cookieMask: bigint;
  /** 0 for never. */
  readonly idleTimeoutSec: number;
  /** 0 for never. */
  readonly hardTimeoutSec: number;
  readonly bufferId: number;
  /** Restricts delete to entries that output to this port; PortNumber.any restricts nothing. */
  readonly outPort: number;
  /** Restricts delete to entries that send to this group; GroupNumber.any restricts nothing. */
  readonly outGroup: number;
  /** Bits of FlowModFlag. */
  readonly flags: number;
}

/** Default priority of a flow entry, OFP_DEFAULT_PRIORITY. */
export const PRIORITY_DEFAULT = 0x8000;

const FLOW_MOD_DEFAULTS = {
  type: 'flow-mod',
  tableId: 0,
  priority: PRIORITY_DEFAULT,
  match: {},
  instructions: [],
  cookie: 0n,
  cookieMask: 0n,
  idleTimeoutSec: 0,
  hardTimeoutSec: 0,
  bufferId: NO_BUFFER,
  outPort: PortNumber.any,
  outGroup: GroupNumber.any,
  flags: 0,
} as const satisfies Omit<FlowMod, 'command'>;

/** A whole flow-mod from the parts that matter: no timeouts, no buffer, no restriction, table 0 unless given. */
export function flowMod(parts: Pick<FlowMod, 'command'> & Partial<Omit<FlowMod, 'type'>>): FlowMod {
  return { ...FLOW_MOD_DEFAULTS, ...parts };
}

export const flowModCodec: MessageCodec<FlowMod> = { wireType: 14, write: writeFlowMod, read: readFlowMod };

function writeFlowMod(writer: Writer, message: FlowMod): void {
  writer.u64(message.cookie, 'cookie');
  writer.u64(message.cookieMask, 'cookieMask');
  writer.u8(message.tableId, 'tableId');
  writer.u8(numberOf(FLOW_MOD_COMMANDS, message.command, 'flow-mod command'), 'command');
  writer.u16(message.idleTimeoutSec, 'idleTimeoutSec');
  writer.u16(message.hardTimeoutSec, 'hardTimeoutSec');
  writer.u16(message.priority, 'priority');
  writer.u32(message.bufferId, 'bufferId');
  writer.u32(message.outPort, 'outPort');
  writer.u32(message.outGroup, 'outGroup');
  writer.u16(message.flags, 'flags');
  writer.pad(2);
  writeMatch(writer, message.match);
  writeInstructions(writer, message.instructions);
}

const BAD_COMMAND = wireError('FLOW_MOD_FAILED', 'BAD_COMMAND');

function readFlowMod(cursor: Cursor): FlowMod {
  const cookie = cursor.u64();
  const cookieMask = cursor.u64();
  const tableId = cursor.u8();
  const command = wordOf(FLOW_MOD_COMMANDS, cursor.u8(), 'flow-mod command', BAD_COMMAND);
  const idleTimeoutSec = cursor.u16();
  const hardTimeoutSec = cursor.u16();
  const priority = cursor.u16();
  const bufferId = cursor.u32();
  const outPort = cursor.u32();
  const outGroup = cursor.u32();
  const flags = cursor.u16();
  cursor.skip(2);
  return {
    type: 'flow-mod',
    command,
    tableId,
    priority,
    match: readMatch(cursor),
    instructions: readInstructions(cursor),
    cookie,
    cookieMask,
    idleTimeoutSec,
    hardTimeoutSec,
    bufferId,
    outPort,
    outGroup,
    flags,
  };
}

// enum ofp_flow_removed_reason (7.4.2); 'meter-delete' is of 1.4 and read in case a switch that speaks both sends it.
const FLOW_REMOVED_REASONS = ['idle-timeout', 'hard-timeout', 'delete', 'group-delete', 'meter-delete'] as const;

/** Why a flow entry went. */
export type FlowRemovedReason = (typeof FLOW_REMOVED_REASONS)[number];

/** A flow entry is gone (7.4.2); sent for entries with FlowModFlag.sendFlowRemoved. */
export interface FlowRemoved {
  readonly type: 'flow-removed';
  readonly cookie: bigint;
  readonly priority: number;
  readonly reason: FlowRemovedReason;
  readonly tableId: number;
  readonly durationSec: number;
  /** Nanoseconds beyond `durationSec`. */
  readonly durationNsec: number;
  readonly idleTimeoutSec: number;
  readonly hardTimeoutSec: number;
  readonly packetCount: bigint;
  readonly byteCount: bigint;
  readonly match: Match;
}

export const flowRemovedCodec: MessageCodec<FlowRemoved> = {
  wireType: 11,
  write(writer: Writer, message: FlowRemoved) {
    writer.u64(message.cookie, 'cookie');
    writer.u16(message.priority, 'priority');
    writer.u8(numberOf(FLOW_REMOVED_REASONS, message.reason, 'flow-removed reason'), 'reason');
    writer.u8(message.tableId, 'tableId');
    writer.u32(message.durationSec, 'durationSec');
    writer.u32(message.durationNsec, 'durationNsec');
    writer.u16(message.idleTimeoutSec, 'idleTimeoutSec');
    writer.u16(message.hardTimeoutSec, 'hardTimeoutSec');
    writer.u64(message.packetCount, 'packetCount');
    writer.u64(message.byteCount, 'byteCount');
    writeMatch(writer, message.match);
  },
  read: (cursor: Cursor): FlowRemoved => ({
    type: 'flow-removed',
    cookie: cursor.u64(),
    priority: cursor.u16(),
    reason: wordOf(FLOW_REMOVED_REASONS, cursor.u8(), 'flow-removed reason'),
    tableId: cursor.u8(),
    durationSec: cursor.u32(),
    durationNsec: cursor.u32(),
    idleTimeoutSec: cursor.u16(),
    hardTimeoutSec: cursor.u16(),
    packetCount: cursor.u64(),
    byteCount: cursor.u64(),
    match: readMatch(cursor),
  }),
};
