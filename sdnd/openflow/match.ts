// Matches: OXM fields in the order of their rows. Must not know which message a match lies in, and judges a field only by
// its row: whether the fields make sense together is the room `prerequisites`.

import type { Cursor } from './cursor.ts';
import { wireError } from './error-codes.ts';
import { EncodeError } from './faults.ts';
import type { FieldName, FieldValue, MaskableField } from './fields.ts';
import {
  FIELD_NAMES,
  type Masked,
  type RawField,
  readField,
  readFieldHeader,
  toRawField,
  type Value,
  writeField,
  writeRawField,
} from './oxm.ts';
import type { Writer } from './writer.ts';

/** What a packet must look like (OpenFlow 1.3.5, 7.2.3). An absent field matches everything; {} matches all packets. */
export type Match = {
  readonly [F in FieldName]?: FieldValue<F> | (F extends MaskableField ? Masked<FieldValue<F>> : never);
} & { readonly raw?: readonly RawField[] };

type AnyMatch = Record<string, Value | Masked<Value>>;

/** OFPMT_OXM; the other type, OFPMT_STANDARD, is deprecated (7.2.3.1). */
const MATCH_TYPE_OXM = 1;

const ORDER_OF_FIELD: ReadonlyMap<string, number> = new Map(FIELD_NAMES.map((name, index) => [name, index]));

export function writeMatch(writer: Writer, match: Match): void {
  const start = writer.at;
  writer.u16(MATCH_TYPE_OXM, 'match type');
  const length = writer.length();
  writeFields(writer, match);
  writer.setLength(length, start);
  writer.pad8(start);
}

/** Writes a match's fields without the header of a match. */
export function writeFields(writer: Writer, match: Match): void {
  const values = match as AnyMatch;
  for (const name of namesInOrder(match)) {
    const value = values[name];
    if (value !== undefined) writeField(writer, name, value);
  }
  for (const raw of match.raw ?? []) writeRawField(writer, raw);
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

const BAD_TYPE = wireError('BAD_MATCH', 'BAD_TYPE');
const BAD_LEN = wireError('BAD_MATCH', 'BAD_LEN');
const DUP_FIELD = wireError('BAD_MATCH', 'DUP_FIELD');

export function readMatch(cursor: Cursor): Match {
  const type = cursor.u16();
  const length = cursor.u16();
  if (type !== MATCH_TYPE_OXM) throw cursor.fault('bad-match', `match type ${type} is not OXM`, BAD_TYPE);
  if (length < 4) throw cursor.fault('bad-match', `a match of ${length} bytes is shorter than its header`, BAD_LEN);
  const fields = cursor.part(length - 4, 'match');
  cursor.skip((8 - (length % 8)) % 8);
  return readFields(fields);
}

/** Reads fields up to the cursor's end. */
export function readFields(cursor: Cursor): Match {
  const match: AnyMatch = {};
  const raw: RawField[] = [];
  while (cursor.left > 0) {
    const header = readFieldHeader(cursor);
    const body = cursor.part(header.bytes);
    if (header.name === undefined) raw.push(toRawField(header, body));
    else if (Object.hasOwn(match, header.name)) {
      throw cursor.fault('bad-match', `${header.name} stands twice in a match`, DUP_FIELD);
    } else match[header.name] = readField(header.name, header, body);
  }
  return (raw.length === 0 ? match : { ...match, raw }) as Match;
}
