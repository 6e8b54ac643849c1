// A table as we use it: its columns' types as data, from which the types of its rows follow. Knows no particular table.
import { isObject, type JsonObject, type JsonValue, memberOf, shorten } from './json.ts';
import {
  type AtomKind,
  BadValue,
  type ColumnType,
  decodeValue,
  encodeValue,
  type InputOf,
  type Uuid,
  type ValueOf,
} from './values.ts';

export interface Table<C extends Columns = Columns> {
  readonly name: string;
  readonly columns: C;
}

export type Columns = Readonly<Record<string, ColumnType>>;

/** A row as it was read. */
export type Row<T extends Table> = { readonly [N in keyof T['columns']]: ValueOf<T['columns'][N]> } & {
  readonly _uuid: Uuid;
};

/** Columns to be set; what is left out keeps its value, or gets the schema's default in a new row. */
export type RowInput<T extends Table> = { readonly [N in keyof T['columns']]?: InputOf<T['columns'][N]> };

/** Declares a table; its columns stay exact types. */
export function table<const C extends Columns>(name: string, columns: C): Table<C> {
  return { name, columns };
}

/** Exactly one atom. */
export function one<K extends AtomKind>(key: K) {
  return { form: 'one', key } as const;
}

/** One atom or none. */
export function optional<K extends AtomKind>(key: K) {
  return { form: 'optional', key } as const;
}

/** Any number of atoms. */
export function set<K extends AtomKind>(key: K) {
  return { form: 'set', key } as const;
}

/** Any number of rows of a table. */
export function references<const R extends string>(refTable: R) {
  return { form: 'set', key: 'uuid', refTable } as const;
}

/** One row of a table or none. */
export function reference<const R extends string>(refTable: R) {
  return { form: 'optional', key: 'uuid', refTable } as const;
}

/** Strings by strings: what all maps are that are used here. */
export const textMap = { form: 'map', key: 'string', value: 'string' } as const;

/** Reads a row that has all the table's columns. @throws BadValue naming table and column */
export function decodeRow<T extends Table>(of: T, uuid: Uuid, json: JsonValue): Row<T> {
  if (!isObject(json)) throw new BadValue(`a row of ${of.name} is ${shorten(json)}`);
  const entries = Object.entries(of.columns).map(([column, type]) => [column, decodeColumn(of, column, type, json)]);
  return Object.fromEntries([['_uuid', uuid], ...entries]) as Row<T>;
}

function decodeColumn(of: Table, column: string, type: ColumnType, json: JsonObject): unknown {
  const value = memberOf(json, column);
  if (value === undefined) throw new BadValue(`a row of ${of.name} has no ${column}`);
  try {
    return decodeValue(type, value);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    throw new BadValue(`${of.name}.${column}: ${error.message}`);
  }
}

/** Writes the columns that are given. */
export function encodeRow<T extends Table>(of: T, row: RowInput<T>): JsonObject {
  const given = Object.entries(row) as [string, InputOf<ColumnType>][];
  return Object.fromEntries(given.map(([column, value]) => [column, encodeColumn(of, column, value)]));
}

/** Writes one column's value. @throws TypeError when the table has no such column */
export function encodeColumn(of: Table, column: string, value: InputOf<ColumnType>): JsonValue {
  const type = column === '_uuid' ? ({ form: 'one', key: 'uuid' } as const) : of.columns[column];
  if (type === undefined) throw new TypeError(`${of.name} has no column ${column}`);
  return encodeValue(type, value);
}
