// An OVSDB server with a switch behind it that obeys at once, on a unix socket, in this process: in place of real ones for
// what those never do. Not a test itself.
import { createServer, type Server, type Socket } from 'node:net';
import { isObject, type JsonObject, type JsonValue, memberOf } from '../../../sdnd/ovsdb/json.ts';
import { JsonSplitter } from '../../../sdnd/ovsdb/json-splitter.ts';
import { type Operation, update } from '../../../sdnd/ovsdb/operations.ts';
import { encodeRow, type RowInput, type Table } from '../../../sdnd/ovsdb/table.ts';
import { OpenVswitchTable, TABLES } from '../../../sdnd/ovsdb/tables.ts';
import type { ColumnType } from '../../../sdnd/ovsdb/values.ts';
import { ModelDatabase } from './model-database.ts';

type Picture = Record<string, Record<string, JsonObject>>;

/** Operations that the model leaves to this file: they change nothing. */
const WITHOUT_EFFECT = ['comment', 'select'];

export class ModelServer {
  readonly database = new ModelDatabase();
  schema: JsonObject = schemaOf(TABLES);
  /** Sent in place of the answer to the next request. */
  rubbish: string | undefined;
  /** Says no to so many of the next transactions. */
  refusals = 0;
  /** What somebody else does after each transaction. */
  afterwards: () => readonly Operation[] = () => [];
  transactions = 0;
  readonly #path: string;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #monitors = new Map<Socket, string>();

  constructor(path: string) {
    this.#path = path;
  }

  async start(): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#path, resolve));
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  /** A change by somebody else. */
  change(operations: readonly Operation[]): void {
    const before = this.#picture();
    this.database.apply(operations);
    this.#publish(before);
  }

  #accept(socket: Socket): void {
    const splitter = new JsonSplitter();
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#monitors.delete(socket);
    });
    socket.on('data', (bytes: Uint8Array) => {
      for (const split of splitter.push(bytes)) if (split.kind === 'message') this.#answer(socket, split.message);
    });
  }

  #answer(socket: Socket, message: JsonObject): void {
    const id = memberOf(message, 'id') ?? null;
    if (this.rubbish !== undefined) {
      socket.write(this.rubbish);
      this.rubbish = undefined;
      return;
    }
    const result = this.#resultOf(
      socket,
      String(memberOf(message, 'method')),
      memberOf(message, 'params') as JsonValue[],
    );
    socket.write(JSON.stringify({ id, result, error: null }));
  }

  #resultOf(socket: Socket, method: string, params: readonly JsonValue[]): JsonValue {
    if (method === 'get_schema') return this.schema;
    if (method === 'echo') return params;
    if (method === 'transact') return this.#transact(params.slice(1) as Operation[]);
    if (method !== 'monitor') throw new TypeError(`the model does not know ${method}`);
    this.#monitors.set(socket, String(params[1]));
    return changesOf({}, this.#picture());
  }

  #transact(operations: readonly Operation[]): JsonValue {
    this.transactions++;
    if (this.refusals > 0) {
      this.refusals--;
      return [{ error: 'constraint violation' }];
    }
    this.change(operations.filter(({ op }) => !WITHOUT_EFFECT.includes(op)));
    const [root] = this.database.rows(OpenVswitchTable).values();
    const others = this.afterwards();
    if (others.length > 0) this.change(others);
    this.change([update(OpenVswitchTable, [], { cur_cfg: root?.next_cfg ?? 0 })]);
    return operations.map(({ op }) => (op === 'select' ? { rows: this.#roots() } : resultOf(op)));
  }

  #roots(): JsonObject[] {
    const rows = Object.entries(this.#picture()[OpenVswitchTable.name] ?? {});
    return rows.map(([uuid, row]) => ({ ...row, _uuid: ['uuid', uuid] }));
  }

  #publish(before: Picture): void {
    const changes = changesOf(before, this.#picture());
    if (Object.keys(changes).length === 0) return;
    for (const [socket, name] of this.#monitors) {
      socket.write(JSON.stringify({ method: 'update', params: [name, changes], id: null }));
    }
  }

  #picture(): Picture {
    const tables = TABLES.map((of: Table) => {
      const rows = [...this.database.rows(of)].map(([uuid, { _uuid, ...row }]) => [
        uuid,
        encodeRow(of, row as RowInput<Table>),
      ]);
      return [of.name, Object.fromEntries(rows)];
    });
    return Object.fromEntries(tables);
  }
}

function resultOf(op: string): JsonObject {
  if (op === 'insert') return { uuid: ['uuid', '00000000-0000-4000-8000-000000000000'] };
  return op === 'comment' ? {} : { count: 1 };
}

function changesOf(before: Picture, after: Picture): JsonObject {
  const tables = Object.entries(after).map(([name, rows]) => {
    const old = before[name] ?? {};
    const came = Object.entries(rows).filter(([uuid, row]) => JSON.stringify(old[uuid]) !== JSON.stringify(row));
    const gone = Object.entries(old).filter(([uuid]) => rows[uuid] === undefined);
    const changes = [
      ...came.map(([uuid, row]) => [uuid, { new: row }]),
      ...gone.map(([uuid, row]) => [uuid, { old: row }]),
    ];
    return [name, Object.fromEntries(changes)] as const;
  });
  return Object.fromEntries(tables.filter(([, rows]) => Object.keys(rows).length > 0));
}

function schemaOf(tables: readonly Table[]): JsonObject {
  const all = tables.map(({ name, columns }) => {
    const types = Object.entries(columns).map(([column, type]) => [column, { type: typeOf(type) }]);
    return [name, { columns: Object.fromEntries(types) }];
  });
  return { name: 'Open_vSwitch', tables: Object.fromEntries(all) };
}

function typeOf(type: ColumnType): JsonValue {
  if (type.form === 'one') return type.key;
  if (type.form === 'map') return { key: type.key, value: type.value, min: 0, max: 'unlimited' };
  const key = type.refTable === undefined ? type.key : { type: type.key, refTable: type.refTable };
  return { key, min: 0, max: type.form === 'set' ? 'unlimited' : 1 };
}

/** A schema without one of its columns. */
export function without(schema: JsonObject, table: string, column: string): JsonObject {
  const { [table]: one, ...tables } = objectIn(schema, 'tables');
  const { [column]: _, ...columns } = objectIn(isObject(one) ? one : {}, 'columns');
  return { ...schema, tables: { ...tables, [table]: { columns } } };
}

function objectIn(json: JsonObject, name: string): JsonObject {
  const found = memberOf(json, name);
  return isObject(found) ? found : {};
}
