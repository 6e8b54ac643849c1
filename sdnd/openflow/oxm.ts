// One OXM field: header, value and mask, between the typed value and the wire. Must not know what the field stands in:
// matches, set-field and the moves between fields all use it.

import type { EthAddress } from './addresses.ts';
import type { Cursor } from './cursor.ts';
import { wireError } from './error-codes.ts';
import { EncodeError } from './faults.ts';
import { fieldCode, OXM_CLASS } from './field-rows.ts';
import { FIELDS, type FieldName, NXM_ALIASES } from './fields.ts';
import type { Writer } from './writer.ts';

/** A value of which only the bits set in `mask` count. Bits of `value` outside the mask must be zero. */
export interface Masked<T> {
  readonly value: T;
  readonly mask: T;
}

/** A field that has no row in this package, or a mask where its row allows none; kept as it came, never interpreted. */
export interface RawField {
  readonly oxmClass: number;
  /** Field number, 7 bits. */
  readonly id: number;
  readonly hasMask: boolean;
  /** Value and mask; of an experimenter class also the experimenter id. At most 255 bytes. */
  readonly body: Uint8Array;
}

/** A field's value of whichever kind. */
export type Value = number | bigint | EthAddress;

export const FIELD_NAMES = Object.keys(FIELDS) as readonly FieldName[];

const FIELD_OF_CODE: ReadonlyMap<number, FieldName> = new Map([
  ...NXM_ALIASES.map(([oxmClass, id, name]) => [fieldCode(oxmClass, id), name] as const),
  ...FIELD_NAMES.filter((name) => FIELDS[name].experimenter === undefined).map(
    (name) => [FIELDS[name].code, name] as const,
  ),
]);

/** Fields of the experimenter class by experimenter id and number. */
const FIELD_OF_EXPERIMENTER: ReadonlyMap<number, FieldName> = new Map(
  FIELD_NAMES.flatMap((name) => {
    const { experimenter, code } = FIELDS[name];
    return experimenter === undefined ? [] : [[experimenterKey(experimenter, (code >> 9) & 0x7f), name] as const];
  }),
);

function experimenterKey(experimenter: number, id: number): number {
  return experimenter * 128 + id;
}

/** The mask bit of an OXM header (7.2.3.2). */
const HAS_MASK = 0x100;

/** Writes a field with its value, or its value under a mask. */
export function writeField(writer: Writer, name: FieldName, field: Value | Masked<Value>): void {
  const { bytes, maskable } = FIELDS[name];
  if (typeof field !== 'object') {
    writeFieldHeader(writer, name, false, bytes);
    writeValue(writer, name, field);
    return;
  }
  if (!maskable) throw new EncodeError('value-outside-mask', `match field ${name} takes no mask`);
  if (outsideMask(field)) throw new EncodeError('value-outside-mask', `${name} has value bits outside its mask`);
  writeFieldHeader(writer, name, true, bytes * 2);
  writeValue(writer, name, field.value);
  writeValue(writer, name, field.mask);
}

function outsideMask({ value, mask }: Masked<Value>): boolean {
  if (typeof value === 'number' && typeof mask === 'number') return (value & mask) >>> 0 !== value;
  const valueBits = toBits(value);
  return (valueBits & toBits(mask)) !== valueBits;
}

function toBits(value: Value): bigint {
  return typeof value === 'string' ? BigInt(`0x${value.replaceAll(':', '')}`) : BigInt(value);
}

export function writeRawField(writer: Writer, raw: RawField): void {
  writer.u16(raw.oxmClass, 'raw field class');
  writer.u8(raw.id * 2 + (raw.hasMask ? 1 : 0), 'raw field id');
  writer.u8(raw.body.length, 'raw field length');
  writer.bytes(raw.body);
}

/** Writes an OXM header (7.2.3.2) that announces `bytes` of payload. */
export function writeFieldHeader(writer: Writer, name: FieldName, hasMask: boolean, bytes: number): void {
  const { code, experimenter } = FIELDS[name];
  const announced = code + (hasMask ? HAS_MASK : 0) + bytes;
  if (experimenter === undefined) {
    writer.u32(announced, 'field header');
    return;
  }
  writer.u32(announced + 4, 'field header');
  writer.u32(experimenter, 'field experimenter');
}

/** Writes a field's value in the width of its row. */
export function writeValue(writer: Writer, name: FieldName, value: Value): void {
  const { kind } = FIELDS[name];
  if (kind === 'number' && typeof value === 'number') writeNumber(writer, name, value);
  else if (kind === 'bigint' && typeof value === 'bigint') writeBigint(writer, name, value);
  else if (kind === 'eth' && typeof value === 'string') writer.eth(value);
  else throw new EncodeError('wrong-type', `${name} takes a value of kind ${kind}, not a ${typeof value}`);
}

function writeBigint(writer: Writer, name: FieldName, value: bigint): void {
  if (FIELDS[name].bytes === 8) writer.u64(value, name);
  else writer.u128(value, name);
}

function writeNumber(writer: Writer, name: FieldName, value: number): void {
  const { bits, bytes } = FIELDS[name];
  if (value >= 2 ** bits) throw new EncodeError('out-of-range', `${name} ${value} has over ${bits} bits`);
  if (bytes === 4) writer.u32(value, name);
  else if (bytes === 2) writer.u16(value, name);
  else if (bytes === 1) writer.u8(value, name);
  else writer.u24(value, name);
}

export interface FieldHeader {
  readonly oxmClass: number;
  readonly id: number;
  readonly hasMask: boolean;
  /** Bytes of payload that follow: value and mask, and an experimenter id unless the field has a row. */
  readonly bytes: number;
  /** The field's row; undefined where there is none, or where the field has a mask that its row does not allow. */
  readonly name: FieldName | undefined;
}

/** Reads an OXM header (7.2.3.2), with the experimenter id of a field of that class that has a row. */
export function readFieldHeader(cursor: Cursor): FieldHeader {
  const oxmClass = cursor.u16();
  const idAndMask = cursor.u8();
  const bytes = cursor.u8();
  const id = idAndMask >> 1;
  const hasMask = (idAndMask & 1) === 1;
  if (oxmClass === OXM_CLASS.experimenter) return readExperimenterHeader(cursor, { oxmClass, id, hasMask, bytes });
  const name = FIELD_OF_CODE.get(fieldCode(oxmClass, id));
  return { oxmClass, id, hasMask, bytes, name: allowed(name, hasMask) };
}

function allowed(name: FieldName | undefined, hasMask: boolean): FieldName | undefined {
  return name !== undefined && hasMask && !FIELDS[name].maskable ? undefined : name;
}

function readExperimenterHeader(cursor: Cursor, header: Omit<FieldHeader, 'name'>): FieldHeader {
  if (header.bytes < 4) throw cursor.fault('bad-size', `an experimenter's field has ${header.bytes} bytes`);
  const name = allowed(FIELD_OF_EXPERIMENTER.get(experimenterKey(cursor.fork().u32(), header.id)), header.hasMask);
  if (name === undefined) return { ...header, name };
  cursor.skip(4);
  return { ...header, bytes: header.bytes - 4, name };
}

/** Reads a whole field, header and all, without a look at what it is. */
export function readRawField(cursor: Cursor): RawField {
  const oxmClass = cursor.u16();
  const idAndMask = cursor.u8();
  return { oxmClass, id: idAndMask >> 1, hasMask: (idAndMask & 1) === 1, body: cursor.bytes(cursor.u8()) };
}

export function toRawField({ oxmClass, id, hasMask }: FieldHeader, body: Cursor): RawField {
  return { oxmClass, id, hasMask, body: body.rest() };
}

const BAD_LEN = wireError('BAD_MATCH', 'BAD_LEN');
const BAD_MASK = wireError('BAD_MATCH', 'BAD_WILDCARDS');

/** Reads a field's value, or its value and mask, of a header that has been read. */
export function readField(name: FieldName, header: FieldHeader, body: Cursor): Value | Masked<Value> {
  const wanted = FIELDS[name].bytes * (header.hasMask ? 2 : 1);
  if (header.bytes !== wanted) {
    throw body.fault('bad-match', `${name} has ${header.bytes} bytes of payload, not ${wanted}`, BAD_LEN);
  }
  const value = readValue(body, name);
  if (!header.hasMask) return value;
  const field = { value, mask: readValue(body, name) };
  if (outsideMask(field)) throw body.fault('bad-match', `${name} has value bits outside its mask`, BAD_MASK);
  return field;
}

/** Reads a field's value in the width of its row. */
export function readValue(cursor: Cursor, name: FieldName): Value {
  const { kind, bytes } = FIELDS[name];
  if (kind === 'eth') return cursor.eth();
  if (kind === 'bigint') return bytes === 8 ? cursor.u64() : cursor.u128();
  const value = readNumber(cursor, bytes);
  if (value >= 2 ** FIELDS[name].bits) throw cursor.fault('bad-value', `${name} ${value} is too wide`);
  return value;
}

function readNumber(cursor: Cursor, bytes: number): number {
  if (bytes === 4) return cursor.u32();
  if (bytes === 2) return cursor.u16();
  return bytes === 1 ? cursor.u8() : cursor.u24();
}
