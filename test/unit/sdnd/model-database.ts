// An OVSDB server's transactions on the switch's tables, as RFC 7047, 5.2, says: named rows, mutations, rows that nothing
// refers to, names that are taken. In place of a server for laws over many states. Not a test itself.

import { isList, type JsonObject, type JsonValue, memberOf } from '../../../sdnd/ovsdb/json.ts';
import type { Operation } from '../../../sdnd/ovsdb/operations.ts';
import type { Row, Table } from '../../../sdnd/ovsdb/table.ts';
import { TABLES } from '../../../sdnd/ovsdb/tables.ts';
import { type ColumnType, decodeValue, type Uuid, uuidOf } from '../../../sdnd/ovsdb/values.ts';
import type { Rows } from '../../../sdnd/switch-config/found-config.ts';

type Cells = Record<string, unknown>;

const UNIQUE: Readonly<Record<string, string>> = { Bridge: 'name', Port: 'name', Interface: 'name', Manager: 'target' };
const ROOT = 'Open_vSwitch';
const DEFAULTS = { string: '', integer: 0, real: 0, boolean: false, uuid: '' } as const;

export class ModelDatabase implements Rows {
  #tables = new Map<string, Map<Uuid, Cells>>(TABLES.map(({ name }) => [name, new Map()]));
  #lastRow = 0;

  rows<T extends Table>(of: T): ReadonlyMap<Uuid, Row<T>> {
    const rows: ReadonlyMap<Uuid, unknown> = this.#table(of.name);
    return rows as ReadonlyMap<Uuid, Row<T>>;
  }

  /** All of a transaction or, with an exception, nothing. */
  apply(operations: readonly Operation[]): void {
    const before = structuredClone(this.#tables);
    try {
      const names = new Map<string, Uuid>();
      for (const { op, ...rest } of operations) {
        const name = memberOf(rest, 'uuid-name');
        if (op === 'insert' && typeof name === 'string') names.set(name, this.#newUuid());
      }
      for (const operation of operations) this.#run(resolved(operation, names) as Operation, names);
      this.#collectGarbage();
      this.#checkNames();
    } catch (error) {
      this.#tables = before;
      throw error;
    }
  }

  #table(name: string): Map<Uuid, Cells> {
    const found = this.#tables.get(name);
    if (found === undefined) throw new TypeError(`no table ${name}`);
    return found;
  }

  #newUuid(): Uuid {
    return uuidOf(`${(++this.#lastRow).toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`);
  }

  #run(operation: Operation, names: ReadonlyMap<string, Uuid>): void {
    const of = TABLES.find(({ name }) => name === memberOf(operation, 'table'));
    if (of === undefined) throw new TypeError(`the model has no ${operation.op} of that table`);
    if (operation.op === 'insert') this.#insert(of, operation, names);
    else for (const cells of this.#met(of, operation)) change(of, cells, operation);
  }

  #insert(of: Table, operation: JsonObject, names: ReadonlyMap<string, Uuid>): void {
    const name = memberOf(operation, 'uuid-name');
    const uuid = (typeof name === 'string' ? names.get(name) : undefined) ?? this.#newUuid();
    const cells: Cells = { _uuid: uuid };
    for (const [column, type] of Object.entries(of.columns)) cells[column] = defaultOf(type);
    setCells(of, cells, memberOf(operation, 'row') as JsonObject);
    this.#table(of.name).set(uuid, cells);
  }

  #met(of: Table, operation: JsonObject): Cells[] {
    const conditions = memberOf(operation, 'where') as [string, string, ['uuid', Uuid]][];
    return [...this.#table(of.name).values()].filter((cells) =>
      conditions.every(([column, comparison, [, uuid]]) => {
        if (column !== '_uuid' || comparison !== '==') throw new TypeError('the model knows rows by uuid alone');
        return cells[column] === uuid;
      }),
    );
  }

  #collectGarbage(): void {
    const kept = new Set<unknown>(this.#table(ROOT).keys());
    for (const uuid of kept) for (const reference of this.#referencesOf(uuid)) kept.add(reference);
    for (const table of this.#tables.values()) for (const uuid of table.keys()) if (!kept.has(uuid)) table.delete(uuid);
  }

  #referencesOf(uuid: unknown): unknown[] {
    return TABLES.flatMap((of: Table) => {
      const cells = this.#table(of.name).get(uuid as Uuid);
      if (cells === undefined) return [];
      const columns = Object.entries(of.columns).filter(([, type]) => type.key === 'uuid');
      return columns.flatMap(([column]) => cells[column] ?? []);
    });
  }

  #checkNames(): void {
    for (const [table, column] of Object.entries(UNIQUE)) {
      const names = [...this.#table(table).values()].map((cells) => cells[column]);
      if (new Set(names).size < names.length) throw new Error(`constraint violation: ${table} ${names.join(' ')}`);
    }
    for (const single of [ROOT, 'SSL']) if (this.#table(single).size > 1) throw new Error(`two rows of ${single}`);
  }
}

function resolved(json: JsonValue, names: ReadonlyMap<string, Uuid>): JsonValue {
  if (isList(json)) {
    const [kind, name] = json;
    if (kind !== 'named-uuid') return json.map((one) => resolved(one, names));
    const uuid = names.get(String(name));
    if (uuid === undefined) throw new Error(`no row is named ${String(name)}`);
    return ['uuid', uuid];
  }
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, resolved(value, names)]));
}

function defaultOf(type: ColumnType): unknown {
  if (type.form === 'map') return new Map();
  if (type.form === 'set') return [];
  return type.form === 'optional' ? undefined : DEFAULTS[type.key];
}

function setCells(of: Table, cells: Cells, row: JsonObject): void {
  for (const [column, value] of Object.entries(row)) cells[column] = decodeValue(typeOf(of, column), value);
}

function typeOf(of: Table, column: string): ColumnType {
  const type = of.columns[column];
  if (type === undefined) throw new TypeError(`${of.name} has no column ${column}`);
  return type;
}

function change(of: Table, cells: Cells, operation: Operation): void {
  if (operation.op === 'update') setCells(of, cells, memberOf(operation, 'row') as JsonObject);
  else if (operation.op !== 'mutate') throw new TypeError(`the model does not know ${operation.op}`);
  else {
    const mutations = memberOf(operation, 'mutations') as [string, string, JsonValue][];
    for (const [column, mutator, value] of mutations)
      cells[column] = mutated(typeOf(of, column), cells[column], mutator, value);
  }
}

function mutated(type: ColumnType, cell: unknown, mutator: string, value: JsonValue): unknown {
  const members = (form: 'set') => decodeValue({ form, key: type.key }, value) as readonly unknown[];
  if (type.form === 'map') {
    if (mutator === 'insert') return new Map([...decodeValue(type, value), ...(cell as Map<unknown, unknown>)]);
    const gone = new Set(members('set'));
    return new Map([...(cell as Map<unknown, unknown>)].filter(([key]) => !gone.has(key)));
  }
  if (mutator === '+=') return Number(cell) + Number(value);
  const standing = cell as readonly unknown[];
  const given = members('set');
  if (mutator === 'insert') return [...new Set([...standing, ...given])].sort();
  return standing.filter((one) => !given.includes(one));
}
