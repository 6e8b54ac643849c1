// The answering end of one connection: runs the handlers and tells them when their caller gives up or is gone.
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Contract } from '../../wire/contract.ts';
import type { Clock } from '../clock.ts';
import { isFull } from '../disk/disk-room.ts';
import { OperationError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Peer } from '../membership/identity.ts';
import { FRAME_BYTES_MAX, type RpcRecord } from './record.ts';
import { CLOSE_GOING_AWAY, RecordSocket } from './record-socket.ts';
import { AnswererSession } from './rpc-session.ts';

/** What a handler knows of its call. */
export interface CallContext<G> {
  readonly peer: Peer;
  /** Tells the caller; nothing once the call has ended. */
  progress(value: G): void;
  /** Aborted when the caller gives up or is gone, and when this daemon stops. */
  readonly signal: AbortSignal;
}

/** A handler whose parameters were checked against the contract it was typed by. */
export type CheckedHandler = (params: unknown, context: CallContext<unknown>) => unknown;

/** What all connections of one server share. */
export interface Answering {
  readonly contract: Contract;
  readonly handlers: ReadonlyMap<string, CheckedHandler>;
  readonly ownNode: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class AnswererConnection {
  readonly #answering: Answering;
  readonly #peer: Peer;
  readonly #session: AnswererSession;
  readonly #socket: RecordSocket;
  readonly #running = new Map<number, AbortController>();
  readonly #ended = Promise.withResolvers<void>();

  constructor(answering: Answering, peer: Peer, webSocket: WebSocket, socket: Socket) {
    this.#answering = answering;
    this.#peer = peer;
    this.#session = new AnswererSession(answering.contract, peer, answering.ownNode);
    this.#socket = new RecordSocket(webSocket, socket, answering.clock, {
      record: (record) => this.#receive(record),
      closed: (reason) => this.#closed(reason),
    });
  }

  /** Resolves when the connection is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Ends the connection because the daemon stops; running handlers are told. */
  close(): void {
    this.#abortAll('the daemon stops');
    this.#socket.close(CLOSE_GOING_AWAY, 'the daemon stops');
  }

  #receive(record: RpcRecord): void {
    const event = this.#session.receive(record);
    if (event.kind === 'call') void this.#run(event.id, event.name, event.params);
    else if (event.kind === 'refused') this.#send(event.answer);
    else if (event.kind === 'cancel') this.#abort(event.id, 'the caller gave up');
    else if (event.kind === 'violation') this.#violation(event.fault);
  }

  async #run(id: number, name: string, params: unknown): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    const context = this.#context(id, controller.signal);
    try {
      const handler = this.#answering.handlers.get(name);
      if (handler === undefined) throw new TypeError(`no handler for ${name}`);
      this.#answer(id, name, await handler(params, context));
    } catch (error) {
      this.#send(this.#session.error(id, this.#explained(name, error)));
    } finally {
      this.#running.delete(id);
    }
  }

  #context(id: number, signal: AbortSignal): CallContext<unknown> {
    return {
      peer: this.#peer,
      signal,
      progress: (value) => {
        const tooLong = this.#send(this.#session.progress(id, value));
        if (tooLong !== undefined) throw frameTooLarge('progress', tooLong.tooLongBytes);
      },
    };
  }

  #answer(id: number, name: string, value: unknown): void {
    const tooLong = this.#send(this.#session.result(id, value));
    if (tooLong === undefined) return;
    const error = frameTooLarge(`${this.#answering.contract.service} ${name}: the result`, tooLong.tooLongBytes);
    this.#socket.send({ kind: 'error', id, code: error.code, message: error.message, remedy: error.remedy });
  }

  #send(record: RpcRecord | undefined): { readonly tooLongBytes: number } | undefined {
    return record === undefined ? undefined : this.#socket.send(record);
  }

  /** What a handler threw, as its caller may see it: the project's errors whole, anything but a full disk only in the log. */
  #explained(name: string, error: unknown): OperationError {
    if (error instanceof OperationError) return error;
    const { contract, ownNode, log } = this.#answering;
    if (isFull(error)) {
      log.warn({ err: error, call: name }, 'a call found no room');
      return noRoom(ownNode, error);
    }
    log.error({ err: error, call: name, peer: this.#peer }, 'a call failed unexpectedly');
    return new OperationError('INTERNAL', `${contract.service} ${name} failed unexpectedly on node ${ownNode}`, {
      remedy: `See the log of ${contract.service} on node ${ownNode}.`,
    });
  }

  #violation(fault: string): void {
    this.#answering.log.warn({ peer: this.#peer, fault }, 'a peer broke the protocol');
    this.#socket.refuse(fault);
  }

  #abort(id: number, why: string): void {
    this.#running.get(id)?.abort(new OperationError('CANCELLED', `the call was given up: ${why}`));
  }

  #abortAll(why: string): void {
    for (const id of this.#running.keys()) this.#abort(id, why);
  }

  #closed(reason: string): void {
    this.#answering.log.debug({ peer: this.#peer, reason }, 'a connection ended');
    this.#abortAll(reason);
    this.#ended.resolve();
  }
}

function noRoom(node: string, cause: unknown): OperationError {
  return new OperationError('ENOSPC', `the disk of node ${node} is full`, {
    remedy: 'Make room on it, then try again.',
    cause,
  });
}

function frameTooLarge(what: string, lengthBytes: number): OperationError {
  return new OperationError('FRAME_TOO_LARGE', `${what} takes ${lengthBytes} bytes, the limit is ${FRAME_BYTES_MAX}`);
}
