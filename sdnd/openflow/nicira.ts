// Nicira's actions, which Open vSwitch understands beside the standard ones: moving and loading fields and resubmitting.
// Must not grow standard actions; those belong to the room `actions`.

import type { Cursor } from './cursor.ts';
import { EncodeError } from './faults.ts';
import { FIELDS, type FieldName } from './fields.ts';
import { readFieldHeader, writeFieldHeader } from './match.ts';
import type { Writer } from './writer.ts';

/** Nicira's experimenter id, NX_VENDOR_ID (nicira-ext.h of Open vSwitch). */
export const NX_EXPERIMENTER = 0x00002320;

/** Copies `bits` bits from one field to another; bit 0 is the least significant. NXAST_REG_MOVE (ovs-actions(7), move). */
export interface NxRegMove {
  readonly type: 'nx-reg-move';
  readonly from: FieldName;
  readonly fromBit: number;
  readonly to: FieldName;
  readonly toBit: number;
  readonly bits: number;
}

/** Writes the low `bits` (1..64) bits of `value` into a field from `toBit` up. NXAST_REG_LOAD (ovs-actions(7), load). */
export interface NxRegLoad {
  readonly type: 'nx-reg-load';
  readonly to: FieldName;
  readonly toBit: number;
  readonly bits: number;
  readonly value: bigint;
}

/** Looks the packet up again in this table as if it came in by `inPort`, 16 bits wide. NXAST_RESUBMIT. */
export interface NxResubmit {
  readonly type: 'nx-resubmit';
  readonly inPort: number;
}

/** Looks the packet up in table `tableId` (255: this one); `inPort` NX_RESUBMIT_IN_PORT keeps the packet's own port. */
export interface NxResubmitTable {
  readonly type: 'nx-resubmit-table';
  readonly inPort: number;
  readonly tableId: number;
}

/** Bytes without an effect, for people who read flow tables. Written zero-filled to 6, 14, 22, ... bytes. NXAST_NOTE. */
export interface NxNote {
  readonly type: 'nx-note';
  readonly note: Uint8Array;
}

export type NiciraAction = NxRegMove | NxRegLoad | NxResubmit | NxResubmitTable | NxNote;

// enum nx_action_subtype of Open vSwitch.
const SUBTYPE: { readonly [T in NiciraAction['type']]: number } = {
  'nx-resubmit': 1,
  'nx-reg-move': 6,
  'nx-reg-load': 7,
  'nx-note': 8,
  'nx-resubmit-table': 14,
};

/** Copies the whole of a field, or `bits` of it, into another; refuses what does not fit, with EncodeError. */
export function regMove(from: FieldName, to: FieldName, bits: number, fromBit = 0, toBit = 0): NxRegMove {
  const action: NxRegMove = { type: 'nx-reg-move', from, fromBit, to, toBit, bits };
  checkMove(action);
  return action;
}

export function writeNiciraAction(writer: Writer, action: NiciraAction): void {
  writer.u32(NX_EXPERIMENTER, 'experimenter');
  writer.u16(SUBTYPE[action.type], 'subtype');
  switch (action.type) {
    case 'nx-reg-move':
      writeRegMove(writer, action);
      break;
    case 'nx-reg-load':
      writeRegLoad(writer, action);
      break;
    case 'nx-resubmit':
      writer.u16(action.inPort, 'resubmit inPort');
      writer.pad(4);
      break;
    case 'nx-resubmit-table':
      writer.u16(action.inPort, 'resubmit inPort');
      writer.u8(action.tableId, 'resubmit tableId');
      writer.pad(3);
      break;
    case 'nx-note':
      writer.bytes(action.note);
      if (action.note.length < 6) writer.pad(6 - action.note.length);
      break;
  }
}

function writeRegMove(writer: Writer, action: NxRegMove): void {
  checkMove(action);
  writer.u16(action.bits, 'reg-move bits');
  writer.u16(action.fromBit, 'reg-move fromBit');
  writer.u16(action.toBit, 'reg-move toBit');
  writeFieldHeader(writer, action.from, false, FIELDS[action.from].bytes);
  writeFieldHeader(writer, action.to, false, FIELDS[action.to].bytes);
}

function checkMove({ from, fromBit, to, toBit, bits }: NxRegMove): void {
  checkBits(from, fromBit, bits);
  checkBits(to, toBit, bits);
}

function checkBits(field: FieldName, bit: number, bits: number): void {
  if (!Number.isInteger(bit) || !Number.isInteger(bits) || bit < 0 || bits < 1 || bit + bits > FIELDS[field].bits) {
    throw new EncodeError('out-of-range', `${field} has ${FIELDS[field].bits} bits, not ${bits} from bit ${bit} on`);
  }
}

function writeRegLoad(writer: Writer, { to, toBit, bits, value }: NxRegLoad): void {
  checkBits(to, toBit, bits);
  if (bits > 64 || BigInt.asUintN(bits, value) !== value) {
    throw new EncodeError('out-of-range', `reg-load value ${value} has over ${Math.min(bits, 64)} bits`);
  }
  // Offset in the upper ten bits, count less one in the lower six.
  writer.u16(toBit * 64 + bits - 1, 'reg-load bits');
  writeFieldHeader(writer, to, false, FIELDS[to].bytes);
  writer.u64(value, 'reg-load value');
}

/**
 * Reads what follows the experimenter id, up to the cursor's end. Undefined, with the cursor where it was, when the
 * action is none of ours or names a field without a row: then it is kept uninterpreted.
 */
export function readNiciraAction(body: Cursor): NiciraAction | undefined {
  const attempt = body.fork();
  const action = readSubtype(attempt);
  if (action !== undefined) body.skip(body.left - attempt.left);
  return action;
}

function readSubtype(body: Cursor): NiciraAction | undefined {
  switch (body.u16()) {
    case SUBTYPE['nx-reg-move']:
      return readRegMove(body);
    case SUBTYPE['nx-reg-load']:
      return readRegLoad(body);
    case SUBTYPE['nx-resubmit']:
      return readResubmit(body);
    case SUBTYPE['nx-resubmit-table']:
      return readResubmitTable(body);
    case SUBTYPE['nx-note']:
      return { type: 'nx-note', note: body.rest() };
    default:
      return undefined;
  }
}

function readRegMove(body: Cursor): NxRegMove | undefined {
  const bits = body.u16();
  const fromBit = body.u16();
  const toBit = body.u16();
  const from = readFieldHeader(body).name;
  const to = readFieldHeader(body).name;
  if (from === undefined || to === undefined) return undefined;
  const fits = bits > 0 && fromBit + bits <= FIELDS[from].bits && toBit + bits <= FIELDS[to].bits;
  return fits ? { type: 'nx-reg-move', from, fromBit, to, toBit, bits } : undefined;
}

function readRegLoad(body: Cursor): NxRegLoad | undefined {
  const offsetAndBits = body.u16();
  const to = readFieldHeader(body).name;
  const value = body.u64();
  const toBit = offsetAndBits >> 6;
  const bits = (offsetAndBits & 0x3f) + 1;
  if (to === undefined || toBit + bits > FIELDS[to].bits || BigInt.asUintN(bits, value) !== value) return undefined;
  return { type: 'nx-reg-load', to, toBit, bits, value };
}

function readResubmit(body: Cursor): NxResubmit {
  const inPort = body.u16();
  body.skip(4);
  return { type: 'nx-resubmit', inPort };
}

function readResubmitTable(body: Cursor): NxResubmitTable {
  const inPort = body.u16();
  const tableId = body.u8();
  body.skip(3);
  return { type: 'nx-resubmit-table', inPort, tableId };
}
