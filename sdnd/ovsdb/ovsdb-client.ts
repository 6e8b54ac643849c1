// A connection with an OVSDB server on a socket: the methods of RFC 7047 as promises, and what the server tells by itself as
// calls, in the order in which it came. It never connects again by itself: who owns it does, and asks for all anew.
import { connect, type Socket } from 'node:net';
import type { Clock, Timer } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import { isList, isObject, type JsonObject, type JsonValue, memberOf, shorten } from './json.ts';
import { SPLIT_LIMITS, type SplitLimits } from './json-splitter.ts';
import type { Operation } from './operations.ts';
import { OvsdbSession, type SessionEvent } from './ovsdb-session.ts';
import { type OperationResult, resultsOf } from './results.ts';
import type { Table } from './table.ts';
import { BadValue } from './values.ts';

/** Where a server listens: `unix:/run/openvswitch/db.sock`, `tcp:127.0.0.1:6640`, `tcp:[::1]:6640` (ovsdb(7)). */
export type ServerAddress = `unix:${string}` | `tcp:${string}:${number}`;

/** What a client tells the one who made it. */
export interface OvsdbListener {
  /** Requests may be made. */
  connected(): void;
  /** Once, at the end of every connection, whether it was ever there or not. */
  closed(reason: string): void;
}

interface Waiting {
  readonly method: string;
  readonly resolve: (result: JsonValue) => void;
  readonly reject: (error: unknown) => void;
  /** Takes the answer before anything that came after it. */
  readonly take?: (result: JsonValue) => void;
}

/** How often a connection looks at the time. */
const TICK_MS = 1_000;

export class OvsdbClient {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #listener: OvsdbListener;
  readonly #session: OvsdbSession;
  readonly #waiting = new Map<number, Waiting>();
  readonly #monitors = new Map<string, (tables: JsonObject) => void>();
  readonly #locks = new Map<string, (isOurs: boolean) => void>();
  #timer: Timer;
  #isClosed = false;

  constructor(address: ServerAddress, clock: Clock, listener: OvsdbListener, limits: SplitLimits = SPLIT_LIMITS) {
    this.#clock = clock;
    this.#listener = listener;
    this.#session = new OvsdbSession(clock.nowMs(), limits);
    this.#socket = connect(socketOf(address));
    this.#socket.on('connect', () => listener.connected());
    this.#socket.on('data', (bytes: Uint8Array) => this.#handle(this.#session.receive(bytes, clock.nowMs())));
    this.#socket.on('error', (error) => this.close(error.message));
    this.#socket.on('close', () => this.close('the server closed the connection'));
    this.#timer = this.#tickLater();
  }

  /** 4.1.1. @throws OperationError OVSDB_LOST, OVSDB_REFUSED; so do all that follow */
  async listDatabases(): Promise<string[]> {
    const names = await this.#call('list_dbs', []);
    if (isList(names) && names.every((name) => typeof name === 'string')) return [...names];
    throw this.#rubbish('list_dbs', names);
  }

  /** 4.1.2: the schema as it came; `schemaFaults` compares it with tables. */
  async getSchema(database: string): Promise<JsonObject> {
    const schema = await this.#call('get_schema', [database]);
    if (isObject(schema)) return schema;
    throw this.#rubbish('get_schema', schema);
  }

  /**
   * 4.1.3: all of the operations or none. A transaction that waits cannot be taken back: ovsdb-server 3.1 leaves `cancel`
   * (4.1.4) unanswered. @throws TransactionFailed
   */
  async transact(database: string, operations: readonly Operation[]): Promise<OperationResult[]> {
    const json = await this.#call('transact', [database, ...operations]);
    try {
      return resultsOf(operations, json);
    } catch (error) {
      if (error instanceof BadValue) throw this.#rubbish('transact', json);
      throw error;
    }
  }

  /**
   * 4.1.5: `take` gets the contents of the tables, then each change (4.1.6), and must throw BadValue for what it cannot
   * take, which ends the connection. Resolves after the contents. The name must be free.
   */
  async monitor(
    database: string,
    name: string,
    tables: readonly Table[],
    take: (tables: JsonObject) => void,
  ): Promise<void> {
    const columns = tables.map((of) => [of.name, [{ columns: Object.keys(of.columns) }]] as const);
    const first = (contents: JsonValue): void => {
      if (!isObject(contents)) throw new BadValue(`monitor was answered with ${shorten(contents)}`);
      this.#monitors.set(name, take);
      take(contents);
    };
    await this.#call('monitor', [database, name, Object.fromEntries(columns)], first);
  }

  /** 4.1.7. */
  async cancelMonitor(name: string): Promise<void> {
    await this.#call('monitor_cancel', [name], () => this.#monitors.delete(name));
  }

  /** 4.1.8: `tell` says whether the lock is this connection's: now, and whenever that changes (4.1.9, 4.1.10). */
  async lock(lock: string, tell: (isOurs: boolean) => void): Promise<void> {
    await this.#lock('lock', lock, tell);
  }

  /** 4.1.8: as `lock`, but takes it from whoever has it. */
  async steal(lock: string, tell: (isOurs: boolean) => void): Promise<void> {
    await this.#lock('steal', lock, tell);
  }

  /** 4.1.8: gives the lock up, or the wish for it. */
  async unlock(lock: string): Promise<void> {
    await this.#call('unlock', [lock], () => this.#locks.delete(lock));
  }

  /** 4.1.11. */
  async echo(): Promise<void> {
    await this.#call('echo', []);
  }

  /** Ends the connection; what the server has done stays. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer.cancel();
    this.#socket.destroy();
    for (const { method, reject } of this.#waiting.values()) reject(lost(method, reason));
    this.#waiting.clear();
    this.#listener.closed(reason);
  }

  async #lock(method: 'lock' | 'steal', lock: string, tell: (isOurs: boolean) => void): Promise<void> {
    const take = (answer: JsonValue): void => {
      const isOurs = isObject(answer) ? memberOf(answer, 'locked') : undefined;
      if (typeof isOurs !== 'boolean') throw new BadValue(`${method} was answered with ${shorten(answer)}`);
      this.#locks.set(lock, tell);
      tell(isOurs);
    };
    await this.#call(method, [lock], take);
  }

  #call(method: string, params: readonly JsonValue[], take?: (result: JsonValue) => void): Promise<JsonValue> {
    if (this.#isClosed) return Promise.reject(lost(method, 'the connection has ended'));
    const { promise, resolve, reject } = Promise.withResolvers<JsonValue>();
    const { request, events } = this.#session.request(method, params, this.#clock.nowMs());
    this.#waiting.set(request, { method, resolve, reject, ...(take !== undefined && { take }) });
    this.#handle(events);
    return promise;
  }

  #handle(events: readonly SessionEvent[]): void {
    for (const event of events) if (!this.#isClosed) this.#handleOne(event);
  }

  #handleOne(event: SessionEvent): void {
    switch (event.kind) {
      case 'send':
        this.#socket.write(event.bytes);
        break;
      case 'answer':
        this.#answered(event.request, event.result);
        break;
      case 'refused':
        this.#refuse(event.request, event.error);
        break;
      case 'update':
        this.#update(event.monitor, event.tables);
        break;
      case 'locked':
      case 'stolen':
        this.#locks.get(event.lock)?.(event.kind === 'locked');
        break;
      case 'close':
        this.close(event.reason);
        break;
    }
  }

  #answered(request: number, result: JsonValue): void {
    const waiting = this.#waiting.get(request);
    if (waiting?.take !== undefined && !this.#gives(() => waiting.take?.(result))) return;
    this.#settle(request)?.resolve(result);
  }

  #update(monitor: JsonValue, tables: JsonObject): void {
    const take = typeof monitor === 'string' ? this.#monitors.get(monitor) : undefined;
    if (take === undefined) this.close(`an update of ${shorten(monitor)}, which was not asked for`);
    else this.#gives(() => take(tables));
  }

  /** Whether what the server said could be taken; if not, the connection ends. */
  #gives(take: () => void): boolean {
    try {
      take();
      return true;
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      this.close(error.message);
      return false;
    }
  }

  #refuse(request: number, error: JsonValue): void {
    const waiting = this.#settle(request);
    waiting?.reject(new OperationError('OVSDB_REFUSED', `the server refused ${waiting.method}: ${shorten(error)}`));
  }

  #settle(request: number): Waiting | undefined {
    const waiting = this.#waiting.get(request);
    this.#waiting.delete(request);
    return waiting;
  }

  // A server that answers one request with rubbish is not believed in the next.
  #rubbish(method: string, json: JsonValue): OperationError {
    const reason = `${method} was answered with ${shorten(json)}`;
    this.close(reason);
    return lost(method, reason);
  }

  #tickLater(): Timer {
    return this.#clock.setTimer(TICK_MS, () => {
      this.#timer = this.#tickLater();
      this.#handle(this.#session.tick(this.#clock.nowMs()));
    });
  }
}

function socketOf(address: ServerAddress): { path: string } | { host: string; port: number } {
  const [kind = '', ...rest] = address.split(':');
  if (kind === 'unix') return { path: rest.join(':') };
  const host = rest
    .slice(0, -1)
    .join(':')
    .replace(/^\[|\]$/g, '');
  return { host, port: Number(rest.at(-1)) };
}

function lost(method: string, reason: string): OperationError {
  return new OperationError('OVSDB_LOST', `${method} was not carried out, or not known to be: ${reason}`, {
    remedy: 'Check that ovsdb-server runs on this node and that its socket can be reached.',
  });
}
