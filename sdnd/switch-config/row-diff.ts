// The operations that bring one row of the database to what is wanted of it: columns as a whole, or keys of a map, whose
// other keys stay. Says nothing of a row that is right already.
import { isRow, mutate, mutation, type Operation, removal, update } from '../ovsdb/operations.ts';
import { encodeColumn, type Row, type RowInput, type Table } from '../ovsdb/table.ts';
import type { ColumnType, InputOf } from '../ovsdb/values.ts';

/** What is to be done to a row; nothing when both are empty. */
export interface RowDiff {
  readonly operations: readonly Operation[];
  /** The columns that are wrong. */
  readonly columns: readonly string[];
}

type MapColumn<T extends Table> = {
  readonly [N in keyof T['columns']]: T['columns'][N] extends { form: 'map' } ? N : never;
}[keyof T['columns']] &
  string;

type TextByText = Readonly<Record<string, string>>;

/** `columns` are to be exactly these; of `keys` only those named are looked at. */
export function diffRow<T extends Table>(
  of: T,
  row: Row<T>,
  columns: RowInput<T>,
  keys: Partial<Readonly<Record<MapColumn<T>, TextByText>>> = {},
): RowDiff {
  const wrong = Object.keys(columns).filter((column) => !isAsWanted(of, row, columns, column));
  const changed = Object.fromEntries(wrong.map((column) => [column, columns[column]])) as RowInput<T>;
  const parts = (Object.entries(keys) as [MapColumn<T>, TextByText][]).flatMap(([column, wanted]) =>
    diffKeys(of, row, column, wanted),
  );
  return {
    operations: [
      ...(wrong.length === 0 ? [] : [update(of, [isRow(row._uuid)], changed)]),
      ...parts.map(({ operation }) => operation),
    ],
    columns: [...wrong, ...parts.map(({ column }) => column)],
  };
}

// As they would be written: so an empty set is none, and the order in a map or set says nothing.
function isAsWanted<T extends Table>(of: T, row: Row<T>, columns: RowInput<T>, column: string): boolean {
  const written = (value: unknown): string =>
    JSON.stringify(encodeColumn(of, column, ordered(value) as InputOf<ColumnType>));
  return written(row[column]) === written(columns[column]);
}

function ordered(value: unknown): unknown {
  if (value instanceof Map) return new Map([...value].sort(([a], [b]) => (a < b ? -1 : 1)));
  return Array.isArray(value) ? [...new Set(value)].sort() : value;
}

// A key that is there keeps its value when a pair is inserted (RFC 7047, 5.1, <mutator>), so wrong ones go first.
function diffKeys<T extends Table, N extends MapColumn<T>>(of: T, row: Row<T>, column: N, wanted: TextByText) {
  const found = row[column] as ReadonlyMap<string, string>;
  const wrong = Object.entries(wanted).filter(([key, value]) => found.get(key) !== value);
  if (wrong.length === 0) return [];
  const put = mutation<Table, string>(of, column, 'insert', new Map(wrong));
  const take = removal(
    of,
    column,
    wrong.map(([key]) => key),
  );
  return [{ column, operation: mutate(of, [isRow(row._uuid)], [take, put]) }];
}

/** A record as a column of texts by texts. */
export function textMapOf(record: TextByText = {}): ReadonlyMap<string, string> {
  return new Map(Object.entries(record));
}
