// The shape of the codec of one of Nicira's actions, and what all of them share: bits of fields and lists of actions
// within an action. Must not know any single action.

import type { Action } from '../action-types.ts';
import type { Cursor } from '../cursor.ts';
import { EncodeError } from '../faults.ts';
import { FIELDS, type FieldName } from '../fields.ts';
import { readFieldHeader, writeFieldHeader } from '../oxm.ts';
import type { Writer } from '../writer.ts';
import type { CtNested, FieldBits } from './action-types.ts';

/** Writes and reads the lists of actions that lie within an action, one level deeper. */
export interface ActionLists {
  write(writer: Writer, actions: readonly (Action | CtNested)[]): void;
  /** Reads to the cursor's end. */
  read(cursor: Cursor): Action[];
  /** As `read`, but a set-field may write what only nx-ct may; what else stands there is the caller's to judge. */
  readInCt(cursor: Cursor): (Action | CtNested)[];
}

/** How one action is written and read behind the experimenter id and the subtype. */
export interface NiciraCodec<A> {
  /** enum nx_action_subtype of Open vSwitch. */
  readonly subtype: number;
  /** Writes the body; the padding to a multiple of 8 bytes is the caller's. */
  write(writer: Writer, action: A, lists: ActionLists): void;
  /** Undefined when a part has no type here, such as a field without a row: the action is kept uninterpreted. */
  read(body: Cursor, lists: ActionLists): A | undefined;
}

/** Refuses bits that a field does not have, with EncodeError. */
export function checkBits(field: FieldName, bit: number, bits: number): void {
  if (!Number.isInteger(bit) || !Number.isInteger(bits) || bit < 0 || bits < 1 || bit + bits > FIELDS[field].bits) {
    throw new EncodeError('out-of-range', `${field} has ${FIELDS[field].bits} bits, not ${bits} from bit ${bit} on`);
  }
}

/** Most bits that one number can tell together with their offset. */
const COUNTED_BITS_MAX = 64;

/** Offset in the upper ten bits, count less one in the lower six. */
export function writeOffsetAndBits(writer: Writer, { field, bit, bits }: FieldBits): void {
  checkBits(field, bit, bits);
  if (bits > COUNTED_BITS_MAX)
    throw new EncodeError('out-of-range', `${bits} bits of ${field} are over ${COUNTED_BITS_MAX}`);
  writer.u16(bit * 64 + bits - 1, 'offset and bits');
}

export interface OffsetAndBits {
  readonly bit: number;
  readonly bits: number;
}

export function readOffsetAndBits(body: Cursor): OffsetAndBits {
  const both = body.u16();
  return { bit: both >> 6, bits: (both & 0x3f) + 1 };
}

/** Bits of a field that has a row and is that wide, else undefined. */
export function bitsOf(field: FieldName | undefined, { bit, bits }: OffsetAndBits): FieldBits | undefined {
  return field !== undefined && bits > 0 && bit + bits <= FIELDS[field].bits ? { field, bit, bits } : undefined;
}

/** Writes a field's header as the name of the field. */
export function writeFieldId(writer: Writer, field: FieldName): void {
  writeFieldHeader(writer, field, false, FIELDS[field].bytes);
}

/** Writes a field's header where the structure has 4 bytes for it. */
export function writeShortFieldId(writer: Writer, field: FieldName, action: string): void {
  if (FIELDS[field].experimenter !== undefined) {
    throw new EncodeError('out-of-range', `${action} has no room for the header of ${field}`);
  }
  writeFieldId(writer, field);
}

/** Reads a field's header; undefined where the field has no row. */
export function readFieldId(body: Cursor): FieldName | undefined {
  const { name, hasMask } = readFieldHeader(body);
  return hasMask ? undefined : name;
}
