// Matches: OXM fields with values and masks, between the typed object and the wire. Must not know which message a match
// lies in, and judges a field only by its row: whether the fields make sense together is the switch's business.

import type { EthAddress } from './addresses.ts';
import type { Cursor } from './cursor.ts';
import { EncodeError, Malformed } from './faults.ts';
import { FIELDS, type FieldName, type FieldValue, fieldCode, type MaskableField, NXM_ALIASES } from './fields.ts';
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

/** What a packet must look like (OpenFlow 1.3.5, 7.2.3). An absent field matches everything; {} matches all packets. */
export type Match = {
  readonly [F in FieldName]?: FieldValue<F> | (F extends MaskableField ? Masked<FieldValue<F>> : never);
} & { readonly raw?: readonly RawField[] };

/** A field's value of whichever kind. */
export type Value = number | bigint | EthAddress;
type AnyMatch = Record<string, Value | Masked<Value>>;

/** OFPMT_OXM; the other type, OFPMT_STANDARD, is deprecated (7.2.3.1). */
const MATCH_TYPE_OXM = 1;

const FIELD_NAMES = Object.keys(FIELDS) as readonly FieldName[];
const ORDER_OF_FIELD: ReadonlyMap<string, number> = new Map(FIELD_NAMES.map((name, index) => [name, index]));
const FIELD_OF_CODE: ReadonlyMap<number, FieldName> = new Map([
  ...NXM_ALIASES.map(([oxmClass, id, name]) => [fieldCode(oxmClass, id), name] as const),
  ...FIELD_NAMES.map((name) => [FIELDS[name].code, name] as const),
]);

/** The mask bit of an OXM header (7.2.3.2). */
const HAS_MASK = 0x100;

export function writeMatch(writer: Writer, match: Match): void {
  const start = writer.at;
  writer.u16(MATCH_TYPE_OXM, 'match type');
  const length = writer.length();
  const values = match as AnyMatch;
  for (const name of namesInOrder(match)) {
    const value = values[name];
    if (value !== undefined) writeField(writer, name, value);
  }
  for (const raw of match.raw ?? []) writeRawField(writer, raw);
  writer.setLength(length, start);
  writer.pad8(start);
}

function namesInOrder(match: Match): FieldName[] {
  const names: FieldName[] = [];
  let last = -1;
  let inOrder = true;
  for (const key of Object.keys(match)) {
    if (key === 'raw') continue;
    const order = orderOf(key);
    inOrder &&= order > last;
    last = order;
    names.push(key as FieldName);
  }
  return inOrder ? names : names.sort((a, b) => orderOf(a) - orderOf(b));
}

function orderOf(name: string): number {
  const order = ORDER_OF_FIELD.get(name);
  if (order === undefined) throw new EncodeError('unknown-field', `there is no match field '${name}'`);
  return order;
}

function writeField(writer: Writer, name: FieldName, field: Value | Masked<Value>): void {
  const { bytes, maskable } = FIELDS[name];
  if (typeof field !== 'object') {
    writeFieldHeader(writer, name, false, bytes);
    writeValue(writer, name, field);
    return;
  }
  if (!maskable) throw new EncodeError('value-outside-mask', `match field ${name} takes no mask`);
  writeFieldHeader(writer, name, true, bytes * 2);
  if (outsideMask(field)) throw new EncodeError('value-outside-mask', `${name} has value bits outside its mask`);
  writeValue(writer, name, field.value);
  writeValue(writer, name, field.mask);
}

function outsideMask({ value, mask }: Masked<Value>): boolean {
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
  writer.u32(FIELDS[name].code + (hasMask ? HAS_MASK : 0) + bytes, 'field header');
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

export function readMatch(cursor: Cursor): Match {
  const type = cursor.u16();
  const length = cursor.u16();
  if (type !== MATCH_TYPE_OXM) throw new Malformed('bad-match', `match type ${type} is not OXM`);
  if (length < 4) throw new Malformed('bad-match', `a match of ${length} bytes is shorter than its header`);
  const fields = cursor.part(length - 4);
  cursor.skip((8 - (length % 8)) % 8);
  return readFields(fields);
}

function readFields(cursor: Cursor): Match {
  const match: AnyMatch = {};
  const raw: RawField[] = [];
  while (cursor.left > 0) {
    const header = readFieldHeader(cursor);
    const body = cursor.part(header.bytes);
    if (header.name === undefined) raw.push(toRawField(header, body));
    else if (Object.hasOwn(match, header.name))
      throw new Malformed('bad-match', `${header.name} stands twice in a match`);
    else match[header.name] = readFieldValue(header.name, header, body);
  }
  return (raw.length === 0 ? match : { ...match, raw }) as Match;
}

interface FieldHeader {
  readonly oxmClass: number;
  readonly id: number;
  readonly hasMask: boolean;
  /** Bytes of payload: value and mask. */
  readonly bytes: number;
  /** The field's row; undefined where there is none, or where the field has a mask that its row does not allow. */
  readonly name: FieldName | undefined;
}

/** Reads an OXM header (7.2.3.2). */
export function readFieldHeader(cursor: Cursor): FieldHeader {
  const oxmClass = cursor.u16();
  const idAndMask = cursor.u8();
  const bytes = cursor.u8();
  const id = idAndMask >> 1;
  const hasMask = (idAndMask & 1) === 1;
  const name = FIELD_OF_CODE.get(fieldCode(oxmClass, id));
  const known = name !== undefined && !(hasMask && !FIELDS[name].maskable);
  return { oxmClass, id, hasMask, bytes, name: known ? name : undefined };
}

export function toRawField({ oxmClass, id, hasMask }: FieldHeader, body: Cursor): RawField {
  return { oxmClass, id, hasMask, body: body.rest() };
}

function readFieldValue(name: FieldName, header: FieldHeader, body: Cursor): Value | Masked<Value> {
  const wanted = FIELDS[name].bytes * (header.hasMask ? 2 : 1);
  if (header.bytes !== wanted) {
    throw new Malformed('bad-match', `${name} has ${header.bytes} bytes of payload, not ${wanted}`);
  }
  const value = readValue(body, name);
  if (!header.hasMask) return value;
  const field = { value, mask: readValue(body, name) };
  if (outsideMask(field)) throw new Malformed('bad-match', `${name} has value bits outside its mask`);
  return field;
}

/** Reads a field's value in the width of its row. */
export function readValue(cursor: Cursor, name: FieldName): Value {
  const { kind, bytes } = FIELDS[name];
  if (kind === 'eth') return cursor.eth();
  if (kind === 'bigint') return bytes === 8 ? cursor.u64() : cursor.u128();
  const value = readNumber(cursor, bytes);
  if (value >= 2 ** FIELDS[name].bits) throw new Malformed('bad-value', `${name} ${value} is too wide`);
  return value;
}

function readNumber(cursor: Cursor, bytes: number): number {
  if (bytes === 4) return cursor.u32();
  if (bytes === 2) return cursor.u16();
  return bytes === 1 ? cursor.u8() : cursor.u24();
}
