// What a switch tells of its groups: the bodies of the multipart parts group-stats, group-desc and group-features.

import { numberOf, readAll, wordOf } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { type Bucket, GROUP_TYPES, type GroupType, readBuckets, writeBucket } from './groups.ts';
import type { Writer } from './writer.ts';

/** Packets that a bucket or a group has got. */
export interface GroupCounts {
  readonly packetCount: bigint;
  readonly byteCount: bigint;
}

/** Counters of one group (OpenFlow 1.3.5, 7.3.5.9). Counters that the switch does not keep are all ones. */
export interface GroupStats extends GroupCounts {
  readonly groupId: number;
  /** Flow entries and groups that send to it. */
  readonly refCount: number;
  readonly durationSec: number;
  /** Nanoseconds beyond `durationSec`. */
  readonly durationNsec: number;
  readonly buckets: readonly GroupCounts[];
}

/** Bytes of a group's counters in front of those of its buckets. */
const GROUP_STATS_BYTES = 40;

export function writeGroupStats(writer: Writer, group: GroupStats): void {
  const start = writer.at;
  const length = writer.length();
  writer.pad(2);
  writer.u32(group.groupId, 'groupId');
  writer.u32(group.refCount, 'refCount');
  writer.pad(4);
  writeCounts(writer, group);
  writer.u32(group.durationSec, 'durationSec');
  writer.u32(group.durationNsec, 'durationNsec');
  for (const bucket of group.buckets) writeCounts(writer, bucket);
  writer.setLength(length, start);
}

function writeCounts(writer: Writer, counts: GroupCounts): void {
  writer.u64(counts.packetCount, 'packetCount');
  writer.u64(counts.byteCount, 'byteCount');
}

function readCounts(cursor: Cursor): GroupCounts {
  return { packetCount: cursor.u64(), byteCount: cursor.u64() };
}

export function readGroupStats(cursor: Cursor): GroupStats {
  const length = cursor.u16();
  if (length < GROUP_STATS_BYTES) throw cursor.fault('bad-size', `statistics of a group are ${length} bytes long`);
  const body = cursor.part(length - 2);
  body.skip(2);
  const groupId = body.u32();
  const refCount = body.u32();
  body.skip(4);
  const counts = readCounts(body);
  const durationSec = body.u32();
  const durationNsec = body.u32();
  return { groupId, refCount, ...counts, durationSec, durationNsec, buckets: readAll(body, readCounts) };
}

/** A group as it was set up (7.3.5.10). */
export interface GroupDesc {
  readonly groupType: GroupType;
  readonly groupId: number;
  readonly buckets: readonly Bucket[];
}

/** Bytes of a group's description in front of its buckets. */
const GROUP_DESC_BYTES = 8;

export function writeGroupDesc(writer: Writer, group: GroupDesc): void {
  const start = writer.at;
  const length = writer.length();
  writer.u8(numberOf(GROUP_TYPES, group.groupType, 'group type'), 'groupType');
  writer.pad(1);
  writer.u32(group.groupId, 'groupId');
  for (const bucket of group.buckets) writeBucket(writer, bucket);
  writer.setLength(length, start);
}

export function readGroupDesc(cursor: Cursor): GroupDesc {
  const length = cursor.u16();
  if (length < GROUP_DESC_BYTES) throw cursor.fault('bad-size', `a group's description is ${length} bytes long`);
  const body = cursor.part(length - 2);
  const groupType = wordOf(GROUP_TYPES, body.u8(), 'group type');
  body.skip(1);
  return { groupType, groupId: body.u32(), buckets: readBuckets(body) };
}

/** Bits of a switch's abilities with groups, OFPGFC_* (7.3.5.11). */
export const GroupCapability = {
  selectWeight: 1 << 0,
  selectLiveness: 1 << 1,
  chaining: 1 << 2,
  chainingChecks: 1 << 3,
} as const;

/** One number for each group type. */
export type PerGroupType = { readonly [T in GroupType]: number };

/** What groups a switch can have (7.3.5.11). */
export interface GroupFeatures {
  /** Bit n for the type numbered n: 0 all, 1 select, 2 indirect, 3 fast-failover. */
  readonly types: number;
  /** Bits of GroupCapability. */
  readonly capabilities: number;
  /** Most groups of each type. */
  readonly maxGroups: PerGroupType;
  /** Actions that the buckets of each type may hold: bit n for the action numbered n. */
  readonly actions: PerGroupType;
}

export function writeGroupFeatures(writer: Writer, features: GroupFeatures): void {
  writer.u32(features.types, 'group types');
  writer.u32(features.capabilities, 'group capabilities');
  for (const type of GROUP_TYPES) writer.u32(features.maxGroups[type], 'maxGroups');
  for (const type of GROUP_TYPES) writer.u32(features.actions[type], 'group actions');
}

export function readGroupFeatures(cursor: Cursor): GroupFeatures {
  return {
    types: cursor.u32(),
    capabilities: cursor.u32(),
    maxGroups: readPerType(cursor),
    actions: readPerType(cursor),
  };
}

function readPerType(cursor: Cursor): PerGroupType {
  return { all: cursor.u32(), select: cursor.u32(), indirect: cursor.u32(), 'fast-failover': cursor.u32() };
}
