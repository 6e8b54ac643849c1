// The operations of a transaction (RFC 7047, 5.2), each made for a declared table so that a wrong column or value does not
// compile. Made here and written elsewhere; nothing is sent.
import type { JsonObject, JsonValue } from './json.ts';
import { encodeColumn, encodeRow, type RowInput, type Table } from './table.ts';
import { type ColumnType, encodeValue, type InputOf, type RowReference } from './values.ts';

/** An operation as it goes over the wire. */
export type Operation = JsonObject & { readonly op: string };

type Rows = { readonly _uuid: { form: 'one'; key: 'uuid' } };
type ColumnsOf<T extends Table> = T['columns'] & Rows;
type ColumnName<T extends Table> = keyof ColumnsOf<T> & string;

/** RFC 7047, 5.1, <function>. Of a set or a map only `==`, `!=`, `includes` and `excludes` say something. */
export type Comparison = '<' | '<=' | '==' | '!=' | '>=' | '>' | 'includes' | 'excludes';

/** A condition on a row; several together mean all of them. */
export interface Condition {
  readonly json: JsonValue;
}

/** What is looked for in a column. */
export function where<T extends Table, N extends ColumnName<T>>(
  of: T,
  column: N,
  comparison: Comparison,
  value: InputOf<ColumnsOf<T>[N]>,
): Condition {
  return { json: [column, comparison, encodeColumn(of, column, value as InputOf<ColumnType>)] };
}

/** The row of that uuid. */
export function isRow(uuid: RowReference): Condition {
  return { json: ['_uuid', '==', encodeValue({ form: 'one', key: 'uuid' }, uuid)] };
}

/** RFC 7047, 5.1, <mutator>: arithmetic on numbers, `insert` and `delete` on sets and maps. */
export type Mutator = '+=' | '-=' | '*=' | '/=' | '%=' | 'insert' | 'delete';

export interface Mutation {
  readonly json: JsonValue;
}

/** A change of a column that needs no knowledge of what it holds. */
export function mutation<T extends Table, N extends keyof T['columns'] & string>(
  of: T,
  column: N,
  mutator: Exclude<Mutator, 'delete'>,
  value: InputOf<T['columns'][N]>,
): Mutation {
  return { json: [column, mutator, encodeColumn(of, column, value as InputOf<ColumnType>)] };
}

/** Takes members out of a set, or pairs out of a map by their keys alone. */
export function removal<T extends Table, N extends keyof T['columns'] & string>(
  of: T,
  column: N,
  keys: readonly (string | number | RowReference)[],
): Mutation {
  const key = of.columns[column]?.key ?? 'string';
  const members = keys.map((one) => encodeValue({ form: 'one', key }, one as string));
  return { json: [column, 'delete', ['set', members]] };
}

/** 5.2.1. `name`: what other operations of the transaction call the row: a letter or `_`, then also digits. */
export function insert<T extends Table>(of: T, row: RowInput<T>, name?: string): Operation {
  const named = name === undefined ? {} : { 'uuid-name': name };
  return { op: 'insert', table: of.name, row: encodeRow(of, row), ...named };
}

/** 5.2.2. All columns that the table declares. */
export function select(of: Table, conditions: readonly Condition[] = []): Operation {
  return {
    op: 'select',
    table: of.name,
    where: conditionsOf(conditions),
    columns: ['_uuid', ...Object.keys(of.columns)],
  };
}

/** 5.2.3. */
export function update<T extends Table>(of: T, conditions: readonly Condition[], row: RowInput<T>): Operation {
  return { op: 'update', table: of.name, where: conditionsOf(conditions), row: encodeRow(of, row) };
}

/** 5.2.4. */
export function mutate(of: Table, conditions: readonly Condition[], mutations: readonly Mutation[]): Operation {
  const all = mutations.map(({ json }) => json);
  return { op: 'mutate', table: of.name, where: conditionsOf(conditions), mutations: all };
}

/** 5.2.5. Rows of tables that are not roots go by themselves when nothing refers to them. */
export function deleteRows(of: Table, conditions: readonly Condition[]): Operation {
  return { op: 'delete', table: of.name, where: conditionsOf(conditions) };
}

/** What `waitFor` compares. */
export interface Expectation<T extends Table> {
  readonly columns: readonly (keyof T['columns'] & string)[];
  /** Whether the rows must be these, or must differ from them. */
  readonly until: '==' | '!=';
  readonly rows: readonly RowInput<T>[];
  /** How long the transaction may be held up for it, ms; 0: it must be so now. */
  readonly timeoutMs: number;
}

/** 5.2.6. Fails with `timed out` when it does not come to be. */
export function waitFor<T extends Table>(of: T, conditions: readonly Condition[], expected: Expectation<T>): Operation {
  const { columns, until, timeoutMs } = expected;
  const rows = expected.rows.map((row) => encodeRow(of, row));
  return { op: 'wait', timeout: timeoutMs, table: of.name, where: conditionsOf(conditions), columns, until, rows };
}

/** 5.2.7. `durable`: answered after the change is on the disk. */
export function commit(durable: boolean): Operation {
  return { op: 'commit', durable };
}

/** 5.2.8. Undoes the whole transaction. */
export function abort(): Operation {
  return { op: 'abort' };
}

/** 5.2.9. A remark for the database's log. */
export function comment(text: string): Operation {
  return { op: 'comment', comment: text };
}

/** 5.2.10. Fails with `not owner` unless this connection has the lock. */
export function assertLock(lock: string): Operation {
  return { op: 'assert', lock };
}

function conditionsOf(conditions: readonly Condition[]): JsonValue {
  return conditions.map(({ json }) => json);
}
