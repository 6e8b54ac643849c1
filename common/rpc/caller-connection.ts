// The caller's end of one living connection: calls out, answers in. When it ends, every open call is told so; nothing
// is ever sent twice.
import { once } from 'node:events';
import type { createConnection, Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Contract } from '../../wire/contract.ts';
import type { Clock } from '../clock.ts';
import { codeOf, messageOf, OperationError } from '../errors.ts';
import type { Identity } from '../membership/identity.ts';
import {
  CALLS_PROTOCOL,
  connectTls,
  hangUpReason,
  type PathTarget,
  placeOf,
  type Target,
  unreachable,
} from '../membership/tls.ts';
import { connectLocal } from './local-socket.ts';
import { FRAME_BYTES_MAX, type RpcRecord } from './record.ts';
import { CLOSE_GOING_AWAY, RecordSocket } from './record-socket.ts';
import { type CallerEvent, CallerSession } from './rpc-session.ts';

/** The other side answers the upgrade at once; this bounds one that accepts and then says nothing. */
const UPGRADE_TIMEOUT_MS = 10_000;

interface OpenCall {
  readonly name: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: ((value: unknown) => void) | undefined;
}

export class CallerConnection {
  readonly #contract: Contract;
  readonly #target: Target | PathTarget;
  readonly #session: CallerSession;
  readonly #socket: RecordSocket;
  readonly #open = new Map<number, OpenCall>();
  #ended = false;

  private constructor(
    contract: Contract,
    target: Target | PathTarget,
    webSocket: WebSocket,
    socket: Socket,
    clock: Clock,
  ) {
    this.#contract = contract;
    this.#target = target;
    this.#session = new CallerSession(contract);
    this.#socket = new RecordSocket(webSocket, socket, clock, {
      record: (record) => this.#receive(record),
      closed: (reason) => this.#closed(reason),
    });
  }

  /** Without an identity: at a socket of this machine. @throws OperationError UNREACHABLE */
  static async open(
    contract: Contract,
    target: Target | PathTarget,
    identity: Identity | undefined,
    clock: Clock,
  ): Promise<CallerConnection> {
    const socket = await (identity === undefined ? connectLocal(target) : connectTls(target, identity, CALLS_PROTOCOL));
    const webSocket = new WebSocket(`ws://${target.node}/${contract.service}`, {
      createConnection: (() => socket) as typeof createConnection,
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES_MAX,
      handshakeTimeout: UPGRADE_TIMEOUT_MS,
      skipUTF8Validation: true,
    });
    try {
      await once(webSocket, 'open');
    } catch (cause) {
      socket.destroy();
      const hungUp = identity !== undefined && codeOf(cause) === 'ECONNRESET';
      throw unreachable(target, hungUp ? hangUpReason(identity, clock.wallMs()) : messageOf(cause), cause);
    }
    return new CallerConnection(contract, target, webSocket, socket, clock);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Makes a call; an aborted signal tells the other side and rejects with the signal's reason. */
  call(name: string, params: unknown, signal: AbortSignal, onProgress?: (value: unknown) => void): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#lost(name, 'it had ended'));
    const record = this.#session.request(name, params);
    const refused = this.#socket.send(record);
    if (refused !== undefined) {
      this.#session.cancel(record.id);
      return Promise.reject(this.#tooLong(name, refused.tooLongBytes));
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onAbort = (): void => this.#giveUp(record.id, signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#open.set(record.id, { name, resolve, reject, onProgress });
    return promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  /** Ends the connection; open calls fail with CONNECTION_LOST. */
  close(): void {
    this.#socket.close(CLOSE_GOING_AWAY, 'the caller closed it');
    this.#closed('it was closed by this side');
  }

  #receive(record: RpcRecord): void {
    const event = this.#session.receive(record);
    if (event.kind === 'violation') this.#socket.refuse(event.fault);
    else if (event.kind !== 'late') this.#deliver(event);
  }

  #deliver(event: Exclude<CallerEvent, { kind: 'violation' | 'late' }>): void {
    const call = this.#open.get(event.id);
    if (call === undefined) return;
    if (event.kind === 'progress') {
      this.#tell(event.id, call, event.value);
      return;
    }
    this.#open.delete(event.id);
    if (event.kind === 'result') call.resolve(event.value);
    else call.reject(event.error);
    if (event.kind === 'failed' && event.cancel) this.#socket.send(this.#session.cancel(event.id));
  }

  #tell(id: number, call: OpenCall, value: unknown): void {
    try {
      call.onProgress?.(value);
    } catch (error) {
      // The listener is the caller's own: its mistake ends its call, not the connection that others share.
      this.#giveUp(id, error);
    }
  }

  #giveUp(id: number, reason: unknown): void {
    const call = this.#open.get(id);
    if (call === undefined) return;
    this.#open.delete(id);
    this.#socket.send(this.#session.cancel(id));
    call.reject(reason);
  }

  #closed(reason: string): void {
    this.#ended = true;
    const calls = [...this.#open.values()];
    this.#open.clear();
    for (const call of calls) call.reject(this.#lost(call.name, reason));
  }

  #lost(name: string, reason: string): OperationError {
    const where = `node ${this.#target.node} at ${placeOf(this.#target)}`;
    return new OperationError(
      'CONNECTION_LOST',
      `the connection to ${where} ended during ${this.#contract.service} ${name}: ${reason}; whether it was done is not known`,
      { remedy: 'Look what there is (list, show), and order it again if it was not done.' },
    );
  }

  #tooLong(name: string, lengthBytes: number): OperationError {
    return new OperationError(
      'FRAME_TOO_LARGE',
      `${this.#contract.service} ${name}: the parameters take ${lengthBytes} bytes, the limit is ${FRAME_BYTES_MAX}`,
    );
  }
}
