// Groups: sets of buckets of actions that flow entries share.

import type { Action } from './action-types.ts';
import { readActions, writeActions } from './actions.ts';
import { type MessageCodec, numberOf, readAll, wordOf } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { wireError } from './error-codes.ts';
import type { Writer } from './writer.ts';

// enum ofp_group_mod_command and enum ofp_group_type (OpenFlow 1.3.5, 7.3.4.2).
const GROUP_MOD_COMMANDS = ['add', 'modify', 'delete'] as const;
export const GROUP_TYPES = ['all', 'select', 'indirect', 'fast-failover'] as const;

export type GroupModCommand = (typeof GROUP_MOD_COMMANDS)[number];

/** Which buckets of a group get a packet: all, one by choice of the switch, the only one, or the first live one. */
export type GroupType = (typeof GROUP_TYPES)[number];

/** One list of actions of a group (7.3.4.2). */
export interface Bucket {
  /** Share of the packets in a select group; 0 elsewhere. */
  readonly weight: number;
  /** Port whose liveness is the bucket's in a fast-failover group; PortNumber.any elsewhere. */
  readonly watchPort: number;
  /** Group whose liveness is the bucket's in a fast-failover group; GroupNumber.any elsewhere. */
  readonly watchGroup: number;
  readonly actions: readonly Action[];
}

/** Adds, changes or removes a group (7.3.4.2). */
export interface GroupMod {
  readonly type: 'group-mod';
  readonly command: GroupModCommand;
  readonly groupType: GroupType;
  readonly groupId: number;
  readonly buckets: readonly Bucket[];
}

/** Bytes of a bucket in front of its actions. */
const BUCKET_HEADER_BYTES = 16;

const BAD_COMMAND = wireError('GROUP_MOD_FAILED', 'BAD_COMMAND');
const BAD_TYPE = wireError('GROUP_MOD_FAILED', 'BAD_TYPE');
const BAD_BUCKET = wireError('GROUP_MOD_FAILED', 'BAD_BUCKET');

export const groupModCodec: MessageCodec<GroupMod> = {
  wireType: 15,
  write(writer: Writer, message: GroupMod) {
    writer.u16(numberOf(GROUP_MOD_COMMANDS, message.command, 'group-mod command'), 'command');
    writer.u8(numberOf(GROUP_TYPES, message.groupType, 'group type'), 'groupType');
    writer.pad(1);
    writer.u32(message.groupId, 'groupId');
    for (const bucket of message.buckets) writeBucket(writer, bucket);
  },
  read(cursor: Cursor): GroupMod {
    const command = wordOf(GROUP_MOD_COMMANDS, cursor.u16(), 'group-mod command', BAD_COMMAND);
    const groupType = wordOf(GROUP_TYPES, cursor.u8(), 'group type', BAD_TYPE);
    cursor.skip(1);
    return { type: 'group-mod', command, groupType, groupId: cursor.u32(), buckets: readBuckets(cursor) };
  },
};

export function writeBucket(writer: Writer, bucket: Bucket): void {
  const start = writer.at;
  const length = writer.length();
  writer.u16(bucket.weight, 'bucket weight');
  writer.u32(bucket.watchPort, 'watchPort');
  writer.u32(bucket.watchGroup, 'watchGroup');
  writer.pad(4);
  writeActions(writer, bucket.actions);
  writer.setLength(length, start);
}

/** Reads buckets up to the cursor's end. */
export function readBuckets(cursor: Cursor): Bucket[] {
  return readAll(cursor, readBucket);
}

function readBucket(cursor: Cursor): Bucket {
  const length = cursor.u16();
  if (length < BUCKET_HEADER_BYTES) throw cursor.fault('bad-size', `a bucket is ${length} bytes long`, BAD_BUCKET);
  const body = cursor.part(length - 2);
  const weight = body.u16();
  const watchPort = body.u32();
  const watchGroup = body.u32();
  body.skip(4);
  return { weight, watchPort, watchGroup, actions: readActions(body) };
}
