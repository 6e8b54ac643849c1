// The two ends of one connection of calls as state machines: records in, events and records out. They know no socket
// and no time. Everything that a peer sends is checked here, against the contract, before anyone acts on it.
import type { Contract } from '../../wire/contract.ts';
import { OperationError } from '../errors.ts';
import type { Peer } from '../membership/identity.ts';
import { type CheckedMethod, checkedMethods, mayCall } from './contract-check.ts';
import type { RpcRecord } from './record.ts';

/** Ten times what the busiest caller (the controller, a few calls per VM) has open; bounds what a peer can start. */
export const OPEN_CALLS_MAX = 1024;

/** What a record meant to the caller's end. */
export type CallerEvent =
  | { readonly kind: 'progress'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  /** `cancel`: the other side still works on it and must be told to stop. */
  | { readonly kind: 'failed'; readonly id: number; readonly error: OperationError; readonly cancel: boolean }
  /** The answer to a call that was given up. */
  | { readonly kind: 'late' }
  /** The peer does not keep to the protocol: end the connection. */
  | { readonly kind: 'violation'; readonly fault: string };

/** The caller's end: gives calls their numbers and says what each answer means. */
export class CallerSession {
  readonly #methods: ReadonlyMap<string, CheckedMethod>;
  readonly #service: string;
  readonly #open = new Map<number, { readonly name: string; readonly method: CheckedMethod }>();
  #lastId = 0;

  constructor(contract: Contract) {
    this.#methods = checkedMethods(contract);
    this.#service = contract.service;
  }

  /** The record that starts a call. @throws OperationError UNKNOWN_METHOD or TOO_MANY_CALLS */
  request(name: string, params: unknown): RpcRecord {
    const method = this.#methods.get(name);
    if (method === undefined) throw unknownMethod(this.#service, name);
    if (this.#open.size >= OPEN_CALLS_MAX) throw tooManyCalls(this.#service, name);
    this.#lastId += 1;
    this.#open.set(this.#lastId, { name, method });
    return { kind: 'request', id: this.#lastId, name, params };
  }

  /** Gives a call up; its later answer is ignored. */
  cancel(id: number): RpcRecord {
    this.#open.delete(id);
    return { kind: 'cancel', id };
  }

  /** What a record means. */
  receive(record: RpcRecord): CallerEvent {
    if (record.kind === 'request' || record.kind === 'cancel') return violation(`a caller was sent a ${record.kind}`);
    if (record.id > this.#lastId) return violation(`call ${record.id} was answered and never made`);
    const call = this.#open.get(record.id);
    if (call === undefined) return { kind: 'late' };
    if (record.kind === 'progress') return this.#progress(record.id, call, record.value);
    this.#open.delete(record.id);
    if (record.kind === 'result') return this.#result(record.id, call, record.value);
    const error = new OperationError(record.code, record.message, { remedy: record.remedy });
    return { kind: 'failed', id: record.id, error, cancel: false };
  }

  #progress(id: number, call: { name: string; method: CheckedMethod }, value: unknown): CallerEvent {
    if (call.method.progress.accepts(value)) return { kind: 'progress', id, value };
    this.#open.delete(id);
    const error = this.#badAnswer('progress', call.name, call.method.progress.fault(value));
    return { kind: 'failed', id, error, cancel: true };
  }

  #result(id: number, call: { name: string; method: CheckedMethod }, value: unknown): CallerEvent {
    if (call.method.result.accepts(value)) return { kind: 'result', id, value };
    const error = this.#badAnswer('result', call.name, call.method.result.fault(value));
    return { kind: 'failed', id, error, cancel: false };
  }

  #badAnswer(what: string, name: string, fault: string): OperationError {
    return new OperationError(
      'BAD_ANSWER',
      `the ${what} of ${this.#service} ${name} is not what the contract says: ${fault}`,
      {
        remedy: 'Run the same release on all nodes.',
      },
    );
  }
}

/** What a record meant to the answering end. */
export type AnswererEvent =
  | { readonly kind: 'call'; readonly id: number; readonly name: string; readonly params: unknown }
  /** The call is not made; this is its answer. */
  | { readonly kind: 'refused'; readonly answer: RpcRecord }
  /** The caller gave the call up: stop its work, its answer is dropped. */
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'late' }
  | { readonly kind: 'violation'; readonly fault: string };

/** The answering end: checks who calls what with which parameters. */
export class AnswererSession {
  readonly #methods: ReadonlyMap<string, CheckedMethod>;
  readonly #service: string;
  readonly #peer: Peer;
  readonly #ownNode: string;
  readonly #open = new Set<number>();
  #lastId = 0;

  constructor(contract: Contract, peer: Peer, ownNode: string) {
    this.#methods = checkedMethods(contract);
    this.#service = contract.service;
    this.#peer = peer;
    this.#ownNode = ownNode;
  }

  /** What a record means. */
  receive(record: RpcRecord): AnswererEvent {
    if (record.kind === 'cancel') return this.#cancel(record.id);
    if (record.kind !== 'request') return violation(`a server was sent a ${record.kind}`);
    if (record.id <= this.#lastId) return violation(`call ${record.id} came after call ${this.#lastId}`);
    this.#lastId = record.id;
    const refusal = this.#refusal(record.name, record.params);
    if (refusal !== undefined) return { kind: 'refused', answer: errorRecord(record.id, refusal) };
    this.#open.add(record.id);
    return { kind: 'call', id: record.id, name: record.name, params: record.params };
  }

  /** The record that tells of progress; none when the call is over or was given up. */
  progress(id: number, value: unknown): RpcRecord | undefined {
    return this.#open.has(id) ? { kind: 'progress', id, value } : undefined;
  }

  /** The record that ends a call well; none when it was given up. */
  result(id: number, value: unknown): RpcRecord | undefined {
    return this.#open.delete(id) ? { kind: 'result', id, value } : undefined;
  }

  /** The record that ends a call in an error; none when it was given up. */
  error(id: number, error: OperationError): RpcRecord | undefined {
    return this.#open.delete(id) ? errorRecord(id, error) : undefined;
  }

  #cancel(id: number): AnswererEvent {
    return this.#open.delete(id) ? { kind: 'cancel', id } : { kind: 'late' };
  }

  #refusal(name: string, params: unknown): OperationError | undefined {
    const method = this.#methods.get(name);
    if (method === undefined) return unknownMethod(this.#service, name);
    if (!mayCall(method.method.callers, this.#peer, this.#ownNode)) return this.#forbidden(name, method);
    if (this.#open.size >= OPEN_CALLS_MAX) return tooManyCalls(this.#service, name);
    if (method.params.accepts(params)) return undefined;
    return new OperationError('BAD_PARAMS', `${method.params.fault(params)} (${this.#service} ${name})`, {
      remedy: 'Say it as the help of the command has it; both sides are to be of one release.',
    });
  }

  #forbidden(name: string, method: CheckedMethod): OperationError {
    const callers = method.method.callers.join(' or ');
    return new OperationError(
      'FORBIDDEN',
      `${this.#service} ${name} on node ${this.#ownNode} is for ${callers}, not for ${this.#peer.role} ${this.#peer.node}`,
    );
  }
}

/** The record that carries an error; the cause stays here. */
export function errorRecord(id: number, error: OperationError): RpcRecord {
  return { kind: 'error', id, code: error.code, message: error.message, remedy: error.remedy };
}

function violation(fault: string): { kind: 'violation'; fault: string } {
  return { kind: 'violation', fault };
}

function unknownMethod(service: string, name: string): OperationError {
  return new OperationError('UNKNOWN_METHOD', `${service} has no call ${name}`, {
    remedy: 'Run the same release on all nodes.',
  });
}

function tooManyCalls(service: string, name: string): OperationError {
  return new OperationError(
    'TOO_MANY_CALLS',
    `${service} ${name}: ${OPEN_CALLS_MAX} calls are open on this connection`,
    {
      remedy: 'Wait for some of them to end.',
    },
  );
}
