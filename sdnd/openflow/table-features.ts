// What a flow table can do: the body of the multipart part table-features, in a reply what is and in a request what shall
// be. Must not know which fields or actions make sense together.

import type { Cursor } from './cursor.ts';
import { wireError } from './error-codes.ts';
import {
  type ActionId,
  type FieldId,
  type InstructionId,
  readActionIds,
  readFieldIds,
  readInstructionIds,
  writeActionIds,
  writeFieldIds,
  writeInstructionIds,
} from './feature-ids.ts';
import { readProperties, writeProperty } from './properties.ts';
import type { Writer } from './writer.ts';

/** Instructions that entries may have. `miss`: so may the table-miss entry, where it differs from the others. */
export interface InstructionsProperty {
  readonly type: 'instructions';
  readonly miss: boolean;
  readonly instructions: readonly InstructionId[];
}

/** Tables that goto-table may name. */
export interface NextTablesProperty {
  readonly type: 'next-tables';
  readonly miss: boolean;
  readonly tableIds: readonly number[];
}

/** Actions of write-actions or apply-actions. */
export interface ActionsProperty {
  readonly type: 'write-actions' | 'apply-actions';
  readonly miss: boolean;
  readonly actions: readonly ActionId[];
}

/** Fields that a match may name, or need not name. */
export interface MatchProperty {
  readonly type: 'match' | 'wildcards';
  readonly fields: readonly FieldId[];
}

/** Fields that set-field may write within write-actions or apply-actions. */
export interface SetFieldProperty {
  readonly type: 'write-setfield' | 'apply-setfield';
  readonly miss: boolean;
  readonly fields: readonly FieldId[];
}

/** Another experimenter's property, uninterpreted. */
export interface ExperimenterProperty {
  readonly type: 'experimenter';
  readonly miss: boolean;
  readonly experimenter: number;
  readonly experimenterType: number;
  readonly data: Uint8Array;
}

/** One property of a table (OpenFlow 1.3.5, 7.3.5.5.2). */
export type TableProperty =
  | InstructionsProperty
  | NextTablesProperty
  | ActionsProperty
  | MatchProperty
  | SetFieldProperty
  | ExperimenterProperty;

/** One flow table and what it can do (7.3.5.5.1). */
export interface TableFeatures {
  readonly tableId: number;
  /** At most 31 characters of one byte. */
  readonly name: string;
  /** Bits of the metadata field that can be matched, and written. */
  readonly metadataMatch: bigint;
  readonly metadataWrite: bigint;
  readonly config: number;
  readonly maxEntries: number;
  readonly properties: readonly TableProperty[];
}

/** OFP_MAX_TABLE_NAME_LEN. */
const TABLE_NAME_BYTES = 32;

/** Bytes of a table in front of its properties. */
const TABLE_BYTES = 64;

// enum ofp_table_feature_prop_type (7.3.5.5.2); that of the table-miss entry is one more.
const PROPERTY_NUMBER: { readonly [T in TableProperty['type']]: number } = {
  instructions: 0,
  'next-tables': 2,
  'write-actions': 4,
  'apply-actions': 6,
  match: 8,
  wildcards: 10,
  'write-setfield': 12,
  'apply-setfield': 14,
  experimenter: 0xfffe,
};

const PROPERTY_OF_NUMBER: ReadonlyMap<number, TableProperty['type']> = new Map(
  (Object.keys(PROPERTY_NUMBER) as TableProperty['type'][]).map((type) => [PROPERTY_NUMBER[type], type]),
);

export function writeTableFeatures(writer: Writer, table: TableFeatures): void {
  const start = writer.at;
  const length = writer.length();
  writer.u8(table.tableId, 'tableId');
  writer.pad(5);
  writer.text(table.name, TABLE_NAME_BYTES, 'name');
  writer.u64(table.metadataMatch, 'metadataMatch');
  writer.u64(table.metadataWrite, 'metadataWrite');
  writer.u32(table.config, 'config');
  writer.u32(table.maxEntries, 'maxEntries');
  for (const property of table.properties) {
    writeProperty(writer, propertyNumber(property), () => writePropertyBody(writer, property));
  }
  writer.setLength(length, start);
}

function propertyNumber(property: TableProperty): number {
  const miss = 'miss' in property && property.miss;
  return PROPERTY_NUMBER[property.type] + (miss ? 1 : 0);
}

function writePropertyBody(writer: Writer, property: TableProperty): void {
  switch (property.type) {
    case 'instructions':
      writeInstructionIds(writer, property.instructions);
      break;
    case 'next-tables':
      for (const tableId of property.tableIds) writer.u8(tableId, 'next tableId');
      break;
    case 'write-actions':
    case 'apply-actions':
      writeActionIds(writer, property.actions);
      break;
    case 'match':
    case 'wildcards':
    case 'write-setfield':
    case 'apply-setfield':
      writeFieldIds(writer, property.fields);
      break;
    case 'experimenter':
      writer.u32(property.experimenter, 'experimenter');
      writer.u32(property.experimenterType, 'experimenterType');
      writer.bytes(property.data);
      break;
  }
}

export function readTableFeatures(cursor: Cursor): TableFeatures {
  const length = cursor.u16();
  if (length < TABLE_BYTES) throw cursor.fault('bad-size', `features of a table are ${length} bytes long`);
  const body = cursor.part(length - 2, 'table-features');
  const tableId = body.u8();
  body.skip(5);
  return {
    tableId,
    name: body.text(TABLE_NAME_BYTES),
    metadataMatch: body.u64(),
    metadataWrite: body.u64(),
    config: body.u32(),
    maxEntries: body.u32(),
    properties: readTableProperties(body),
  };
}

function readTableProperties(body: Cursor): TableProperty[] {
  const properties: TableProperty[] = [];
  readProperties(body, (number, value) => properties.push(readTableProperty(number, value)));
  return properties;
}

const BAD_TYPE = wireError('TABLE_FEATURES_FAILED', 'BAD_TYPE');

function readTableProperty(number: number, body: Cursor): TableProperty {
  const type = PROPERTY_OF_NUMBER.get(number & ~1);
  const miss = (number & 1) === 1;
  switch (type) {
    case 'instructions':
      return { type, miss, instructions: readInstructionIds(body) };
    case 'next-tables':
      return { type, miss, tableIds: [...body.rest()] };
    case 'write-actions':
    case 'apply-actions':
      return { type, miss, actions: readActionIds(body) };
    case 'write-setfield':
    case 'apply-setfield':
      return { type, miss, fields: readFieldIds(body) };
    case 'experimenter':
      return { type, miss, experimenter: body.u32(), experimenterType: body.u32(), data: body.rest() };
    case 'match':
    case 'wildcards':
      if (!miss) return { type, fields: readFieldIds(body) };
  }
  throw body.fault('bad-value', `there is no table property ${number}`, BAD_TYPE);
}
