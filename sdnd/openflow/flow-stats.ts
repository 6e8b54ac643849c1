// Statistics of flow entries and tables: the bodies of the multipart parts flow, aggregate and table.

import type { Cursor } from './cursor.ts';
import { GroupNumber, TABLE_ALL } from './flows.ts';
import { type Instruction, readInstructions, writeInstructions } from './instructions.ts';
import { type Match, readMatch, writeMatch } from './match.ts';
import { PortNumber } from './ports.ts';
import type { Writer } from './writer.ts';

/** Which flow entries are asked for (OpenFlow 1.3.5, 7.3.5.2 and 7.3.5.3). */
export interface FlowFilter {
  /** TABLE_ALL for every table. */
  readonly tableId: number;
  /** Only entries that output to this port; PortNumber.any restricts nothing. */
  readonly outPort: number;
  /** Only entries that send to this group; GroupNumber.any restricts nothing. */
  readonly outGroup: number;
  readonly cookie: bigint;
  /** The bits of `cookie` that an entry's must have; 0 restricts nothing. */
  readonly cookieMask: bigint;
  readonly match: Match;
}

/** The filter that every flow entry of every table passes. */
export const EVERY_FLOW: FlowFilter = {
  tableId: TABLE_ALL,
  outPort: PortNumber.any,
  outGroup: GroupNumber.any,
  cookie: 0n,
  cookieMask: 0n,
  match: {},
};

export function writeFlowFilter(writer: Writer, filter: FlowFilter): void {
  writer.u8(filter.tableId, 'tableId');
  writer.pad(3);
  writer.u32(filter.outPort, 'outPort');
  writer.u32(filter.outGroup, 'outGroup');
  writer.pad(4);
  writer.u64(filter.cookie, 'cookie');
  writer.u64(filter.cookieMask, 'cookieMask');
  writeMatch(writer, filter.match);
}

export function readFlowFilter(cursor: Cursor): FlowFilter {
  const tableId = cursor.u8();
  cursor.skip(3);
  const outPort = cursor.u32();
  const outGroup = cursor.u32();
  cursor.skip(4);
  return { tableId, outPort, outGroup, cookie: cursor.u64(), cookieMask: cursor.u64(), match: readMatch(cursor) };
}

/** One flow entry with its counters (7.3.5.2). Counters that the switch does not keep are all ones. */
export interface FlowStats {
  readonly tableId: number;
  readonly durationSec: number;
  /** Nanoseconds beyond `durationSec`. */
  readonly durationNsec: number;
  readonly priority: number;
  readonly idleTimeoutSec: number;
  readonly hardTimeoutSec: number;
  /** Bits of FlowModFlag. */
  readonly flags: number;
  readonly cookie: bigint;
  readonly packetCount: bigint;
  readonly byteCount: bigint;
  readonly match: Match;
  readonly instructions: readonly Instruction[];
}

export function writeFlowStats(writer: Writer, flow: FlowStats): void {
  const start = writer.at;
  const length = writer.length();
  writer.u8(flow.tableId, 'tableId');
  writer.pad(1);
  writer.u32(flow.durationSec, 'durationSec');
  writer.u32(flow.durationNsec, 'durationNsec');
  writer.u16(flow.priority, 'priority');
  writer.u16(flow.idleTimeoutSec, 'idleTimeoutSec');
  writer.u16(flow.hardTimeoutSec, 'hardTimeoutSec');
  writer.u16(flow.flags, 'flags');
  writer.pad(4);
  writer.u64(flow.cookie, 'cookie');
  writer.u64(flow.packetCount, 'packetCount');
  writer.u64(flow.byteCount, 'byteCount');
  writeMatch(writer, flow.match);
  writeInstructions(writer, flow.instructions);
  writer.setLength(length, start);
}

export function readFlowStats(cursor: Cursor): FlowStats {
  const length = cursor.u16();
  if (length < 2) throw cursor.fault('bad-size', `a flow entry is ${length} bytes long`);
  return readFlowStatsBody(cursor.part(length - 2));
}

function readFlowStatsBody(body: Cursor): FlowStats {
  const tableId = body.u8();
  body.skip(1);
  const durationSec = body.u32();
  const durationNsec = body.u32();
  const priority = body.u16();
  const idleTimeoutSec = body.u16();
  const hardTimeoutSec = body.u16();
  const flags = body.u16();
  body.skip(4);
  return {
    tableId,
    durationSec,
    durationNsec,
    priority,
    idleTimeoutSec,
    hardTimeoutSec,
    flags,
    cookie: body.u64(),
    packetCount: body.u64(),
    byteCount: body.u64(),
    match: readMatch(body),
    instructions: readInstructions(body),
  };
}

/** Sums over the flow entries asked for (7.3.5.3). */
export interface AggregateStats {
  readonly packetCount: bigint;
  readonly byteCount: bigint;
  readonly flowCount: number;
}

export function writeAggregateStats(writer: Writer, stats: AggregateStats): void {
  writer.u64(stats.packetCount, 'packetCount');
  writer.u64(stats.byteCount, 'byteCount');
  writer.u32(stats.flowCount, 'flowCount');
  writer.pad(4);
}

export function readAggregateStats(cursor: Cursor): AggregateStats {
  const stats = { packetCount: cursor.u64(), byteCount: cursor.u64(), flowCount: cursor.u32() };
  cursor.skip(4);
  return stats;
}

/** Counters of one flow table (7.3.5.4). */
export interface TableStats {
  readonly tableId: number;
  readonly activeCount: number;
  readonly lookupCount: bigint;
  readonly matchedCount: bigint;
}

export function writeTableStats(writer: Writer, table: TableStats): void {
  writer.u8(table.tableId, 'tableId');
  writer.pad(3);
  writer.u32(table.activeCount, 'activeCount');
  writer.u64(table.lookupCount, 'lookupCount');
  writer.u64(table.matchedCount, 'matchedCount');
}

export function readTableStats(cursor: Cursor): TableStats {
  const tableId = cursor.u8();
  cursor.skip(3);
  return { tableId, activeCount: cursor.u32(), lookupCount: cursor.u64(), matchedCount: cursor.u64() };
}
