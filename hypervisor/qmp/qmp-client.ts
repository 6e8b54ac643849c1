// One QMP connection to a QEMU on a unix socket: typed commands, typed events. It must never start or end a process,
// and every promise it gave is settled when the connection ends.
import { connect, type Socket } from 'node:net';
import type { QmpCommandName, QmpCommands, QmpEventName, QmpEvents } from './qmp-commands.ts';
import { type QmpFault, type QmpMessage, QmpSession } from './qmp-session.ts';

/** QEMU answers in under 1 ms; a main loop that blocks in a connect or a flush takes longer. */
const COMMAND_TIMEOUT_MS = 20_000;

/** Another client on the socket keeps us in the listen queue for as long as it stays. */
const GREETING_TIMEOUT_MS = 5_000;

export type QmpErrorCode = 'QMP_CONNECT' | 'QMP_CLOSED' | 'QMP_TIMEOUT' | 'QMP_COMMAND' | 'QMP_PROTOCOL';

export class QmpError extends Error {
  override readonly name = 'QmpError';
  readonly code: QmpErrorCode;
  /** QEMU's error class (`GenericError`, `CommandNotFound`, ...) and its sentence, if it was QEMU that refused. */
  readonly errorClass: string | undefined;
  readonly desc: string | undefined;

  constructor(
    code: QmpErrorCode,
    message: string,
    fields: { errorClass?: string; desc?: string; cause?: unknown } = {},
  ) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.code = code;
    this.errorClass = fields.errorClass;
    this.desc = fields.desc;
  }
}

export interface QmpWaitOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

interface Waiting {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

type AnyListener = (data: never, atMs: number) => void;

export class QmpClient {
  readonly path: string;
  readonly #socket: Socket;
  readonly #session = new QmpSession();
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<string, Set<AnyListener>>();
  readonly #closed = Promise.withResolvers<void>();
  readonly #greeted = Promise.withResolvers<string>();
  readonly #closeListeners = new Set<() => void>();
  #end: QmpError | undefined;

  private constructor(socket: Socket, path: string) {
    this.path = path;
    this.#socket = socket;
    // Its rejection reaches those who wait for it; with nobody waiting it is no news.
    this.#greeted.promise.catch(() => undefined);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', (cause) =>
      this.#fail(new QmpError('QMP_CLOSED', `QMP at ${path}: ${cause.message}`, { cause })),
    );
    socket.on('close', () => this.#fail(new QmpError('QMP_CLOSED', `QMP at ${path}: QEMU closed the connection`)));
  }

  /** Connects and negotiates. Rejects with QMP_CONNECT, or QMP_TIMEOUT when another client has the socket. */
  static async connect(
    path: string,
    { signal, timeoutMs = GREETING_TIMEOUT_MS }: QmpWaitOptions = {},
  ): Promise<QmpClient> {
    const client = new QmpClient(await open(path, signal), path);
    try {
      await bounded(client.#greeted.promise, `the greeting of QMP at ${path}`, {
        timeoutMs,
        ...(signal && { signal }),
      });
      await client.execute('qmp_capabilities', {});
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Resolves when the connection has ended, for whatever reason. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /**
   * Sends a command. Rejects with a QmpError: QMP_COMMAND carries QEMU's `errorClass` and `desc`; after QMP_TIMEOUT the
   * command may still take effect (QEMU's main loop hangs while it drains a disk that does not answer).
   */
  execute<C extends QmpCommandName>(
    command: C,
    args: QmpCommands[C]['arguments'],
    { timeoutMs = COMMAND_TIMEOUT_MS }: { timeoutMs?: number } = {},
  ): Promise<QmpCommands[C]['return']> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const sent = this.#session.command(command, args);
    if (sent === undefined) {
      return Promise.reject(
        new QmpError('QMP_PROTOCOL', `${command}: too many commands wait for QEMU at ${this.path}`),
      );
    }
    return new Promise((resolve, reject) => {
      const giveUp = () => this.#take(sent.id)?.reject(commandTimedOut(command, this.path, timeoutMs));
      const timer = setTimeout(giveUp, timeoutMs);
      // The table of commands is the contract: what QEMU returns for C has the shape that the table gives it.
      const deliver = resolve as (value: unknown) => void;
      this.#waiting.set(sent.id, { command, resolve: deliver, reject, timer });
      this.#socket.write(sent.line);
    });
  }

  /** Calls back on every such event until the returned function is called; `atMs` is QEMU's wall clock. */
  on<E extends QmpEventName>(event: E, listener: (data: QmpEvents[E], atMs: number) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set<AnyListener>();
    this.#listeners.set(event, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** The next such event that the predicate accepts. Rejects when aborted, at the timeout, or when QEMU goes. */
  waitEvent<E extends QmpEventName>(
    event: E,
    predicate: (data: QmpEvents[E]) => boolean = () => true,
    options: QmpWaitOptions = {},
  ): Promise<QmpEvents[E]> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const { promise, resolve, reject } = Promise.withResolvers<QmpEvents[E]>();
    const stop = this.on(event, (data) => predicate(data) && resolve(data));
    const gone = () => reject(this.#end ?? new QmpError('QMP_CLOSED', `QMP at ${this.path} is closed`));
    this.#closeListeners.add(gone);
    return bounded(promise, `event ${event} of QMP at ${this.path}`, options).finally(() => {
      stop();
      this.#closeListeners.delete(gone);
    });
  }

  /** Lets go of QEMU, which goes on. */
  close(): void {
    this.#fail(new QmpError('QMP_CLOSED', `QMP at ${this.path}: closed by us`));
  }

  #receive(bytes: Uint8Array): void {
    for (const message of this.#session.receive(bytes)) this.#message(message);
  }

  #message(message: QmpMessage | QmpFault): void {
    if (message.kind === 'greeting') this.#greeted.resolve(message.version);
    else if (message.kind === 'event') this.#event(message.name, message.data, message.atMs);
    else if (message.kind === 'return') this.#take(message.id)?.resolve(message.value);
    else if (message.kind === 'error') this.#refuse(message.id, message.errorClass, message.desc);
    else this.#fail(new QmpError('QMP_PROTOCOL', `QMP at ${this.path}: ${message.desc}`));
  }

  #refuse(id: number, errorClass: string, desc: string): void {
    const waiting = this.#take(id);
    waiting?.reject(refused(waiting.command, errorClass, desc));
  }

  #event(name: string, data: unknown, atMs: number): void {
    // As with return values, the table of events says what `data` is.
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(data as never, atMs);
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }

  #fail(error: QmpError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#socket.destroy();
    this.#greeted.reject(error);
    for (const id of [...this.#waiting.keys()]) this.#take(id)?.reject(error);
    for (const listener of [...this.#closeListeners]) listener();
    this.#closed.resolve();
  }
}

function open(path: string, signal: AbortSignal | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = connect(path);
    const failed = (cause: Error) => reject(new QmpError('QMP_CONNECT', `QMP at ${path}: ${cause.message}`, { cause }));
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

async function bounded<T>(promise: Promise<T>, what: string, { signal, timeoutMs }: QmpWaitOptions): Promise<T> {
  signal?.throwIfAborted();
  const { promise: bound, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => reject(timedOut(what, timeoutMs)), timeoutMs);
  try {
    return await Promise.race([promise, bound]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

function timedOut(what: string, timeoutMs: number): QmpError {
  return new QmpError('QMP_TIMEOUT', `${what}: nothing came within ${timeoutMs} ms`);
}

function commandTimedOut(command: string, path: string, timeoutMs: number): QmpError {
  const message = `QMP ${command} at ${path}: no answer within ${timeoutMs} ms; it may still take effect`;
  return new QmpError('QMP_TIMEOUT', message);
}

function refused(command: string, errorClass: string, desc: string): QmpError {
  return new QmpError('QMP_COMMAND', `QEMU refused ${command}: ${desc} (${errorClass})`, { errorClass, desc });
}
