// Typed calls to one daemon. Connects when first called, keeps one connection, connects anew for the next call after
// it was lost. Never repeats a call: whether that is safe only its caller knows. It may wait for a daemon that is not up
// yet, since nothing has been said to it then.
import type { Contract, MethodName, Params, Progress, Result } from '../../wire/contract.ts';
import { type Clock, realClock, type Timer } from '../clock.ts';
import { codeOf, OperationError } from '../errors.ts';
import type { Identity } from '../membership/identity.ts';
import { type PathTarget, placeOf, type Target } from '../membership/tls.ts';
import { CallerConnection } from './caller-connection.ts';
import { checkedMethods } from './contract-check.ts';

export type { PathTarget, Target } from '../membership/tls.ts';

/** What a caller may say about one call. */
export interface CallOptions<G> {
  /** Called in the order in which the other side told; never after the call's promise has settled. */
  readonly onProgress?: (value: G) => void;
  /** Aborting gives the call up: the other side is told, the promise rejects with CANCELLED. */
  readonly signal?: AbortSignal;
  /** Instead of the contract's; includes connecting. 0: as long as the connection lives. */
  readonly timeoutMs?: number;
}

/** What holds for all calls of a client. */
export interface ClientOptions {
  readonly clock?: Clock;
  /**
   * How long a daemon that does not listen is waited for before a call fails with UNREACHABLE, ms; 0 unless said. The
   * call's own time limit and signal hold meanwhile. A node that does not answer at all is not waited for.
   */
  readonly patienceMs?: number;
}

/** Before a daemon that does not listen is tried again, ms: it costs one refused connection. */
const NOT_UP_RETRY_MS = 200;

/**
 * Calls of one contract at one daemon. Every call may reject with an OperationError: UNREACHABLE, TIMEOUT, CANCELLED,
 * CONNECTION_LOST, FORBIDDEN, BAD_PARAMS, BAD_ANSWER, UNKNOWN_METHOD, TOO_MANY_CALLS, FRAME_TOO_LARGE, INTERNAL, or
 * the handler's own.
 */
export class RpcClient<C extends Contract> {
  readonly #contract: C;
  readonly #target: Target | PathTarget;
  readonly #identity: Identity | undefined;
  readonly #clock: Clock;
  readonly #patienceMs: number;
  #connection: Promise<CallerConnection> | undefined;
  #closed = false;

  constructor(contract: C, target: Target | PathTarget, identity: Identity | undefined, options: ClientOptions) {
    this.#contract = contract;
    this.#target = target;
    this.#identity = identity;
    this.#clock = options.clock ?? realClock;
    this.#patienceMs = options.patienceMs ?? 0;
  }

  async call<N extends MethodName<C>>(
    name: N,
    params: Params<C, N>,
    options: CallOptions<Progress<C, N>> = {},
  ): Promise<Result<C, N>> {
    const end = new AbortController();
    const timer = this.#startTimer(name, options.timeoutMs, end);
    const onAbort = (): void => end.abort(this.#cancelled(name, options.signal?.reason));
    if (options.signal?.aborted) onAbort();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const connection = await unlessAborted(this.#connect(), end.signal);
      // The session checks what comes in against the contract: from here on the values are what the types say.
      const onProgress = options.onProgress as ((value: unknown) => void) | undefined;
      return (await connection.call(name, params, end.signal, onProgress)) as Result<C, N>;
    } finally {
      timer?.cancel();
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Connects if need be, so that the next call finds the connection there. @throws OperationError UNREACHABLE */
  async warm(): Promise<void> {
    await this.#connect();
  }

  /** Ends the connection; open calls fail with CONNECTION_LOST and later ones too. */
  close(): void {
    this.#closed = true;
    this.#connection?.then(
      (connection) => connection.close(),
      () => undefined, // It never came about: its callers were told.
    );
  }

  async #connect(): Promise<CallerConnection> {
    if (this.#closed) throw this.#afterClose();
    const current = this.#connection;
    if (current !== undefined && !(await current).ended) return current;
    if (this.#connection === current) this.#connection = this.#open();
    return this.#connection ?? this.#connect();
  }

  #open(): Promise<CallerConnection> {
    const opening = this.#openOnceUp();
    opening.catch(() => {
      if (this.#connection === opening) this.#connection = undefined;
    });
    return opening;
  }

  async #openOnceUp(): Promise<CallerConnection> {
    const untilMs = this.#clock.nowMs() + this.#patienceMs;
    for (;;) {
      try {
        return await CallerConnection.open(this.#contract, this.#target, this.#identity, this.#clock);
      } catch (error) {
        if (!isNotUp(error) || this.#closed || this.#clock.nowMs() >= untilMs) throw error;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#clock.setTimer(NOT_UP_RETRY_MS, resolve);
      await promise;
    }
  }

  #startTimer(name: string, timeoutMs: number | undefined, end: AbortController): Timer | undefined {
    const ms = timeoutMs ?? checkedMethods(this.#contract).get(name)?.method.timeoutMs ?? 0;
    return ms === 0 ? undefined : this.#clock.setTimer(ms, () => end.abort(this.#timedOut(name, ms)));
  }

  #timedOut(name: string, ms: number): OperationError {
    return new OperationError('TIMEOUT', `${this.#described(name)} did not answer within ${ms} ms`, {
      remedy: 'Look at that node and at the link to it; whether the call was done is not known.',
    });
  }

  #cancelled(name: string, cause: unknown): OperationError {
    return new OperationError('CANCELLED', `${this.#described(name)} was given up by its caller`, { cause });
  }

  #afterClose(): OperationError {
    return new OperationError(
      'CONNECTION_LOST',
      `the client of ${this.#contract.service} at ${placeOf(this.#target)} is closed`,
    );
  }

  #described(name: string): string {
    return `${this.#contract.service} ${name} at node ${this.#target.node} (${placeOf(this.#target)})`;
  }
}

/** A client that connects when it is first used. Without an identity: of a server at a socket of this machine (`startLocalServer`). */
export function rpcClient<C extends Contract>(
  contract: C,
  target: Target | PathTarget,
  identity: Identity | undefined,
  options: ClientOptions = {},
): RpcClient<C> {
  return new RpcClient(contract, target, identity, options);
}

/** The place is there and nobody listens at it: the daemon has not started yet, or has ended. */
function isNotUp(error: unknown): boolean {
  const code = error instanceof OperationError ? codeOf(error.cause) : undefined;
  return code === 'ECONNREFUSED' || code === 'ENOENT';
}

/** The promise's outcome, or the signal's reason if that comes first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
