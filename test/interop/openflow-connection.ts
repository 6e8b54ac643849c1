// A controller's end of an OpenFlow connection to a switch's unix socket, for tests: what came waits until it is asked for.
import { connect, type Socket } from 'node:net';
import {
  type ErrorMessage,
  encode,
  errorName,
  type Message,
  type MessageOf,
  MessageReader,
  type MessageType,
} from '@openflow/ofp';
import { within } from '../unit/common/members.ts';

/** Nothing here may take longer. */
const STEP_TIMEOUT_MS = 60_000;

function nameOf({ errorType, errorCode, experimenter }: ErrorMessage): string {
  return errorName(errorType, errorCode, experimenter);
}

/** A connection that keeps what came until somebody asks for it. */
export class OpenFlowConnection {
  readonly #socket: Socket;
  readonly #reader = new MessageReader();
  readonly #inbox: { readonly message: Message; readonly xid: number }[] = [];
  #wake = Promise.withResolvers<void>();
  #xid = 100;

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('error', (error) => this.#wake.reject(error));
  }

  #receive(chunk: Uint8Array): void {
    for (const result of this.#reader.push(chunk)) {
      if (result.kind === 'bad') this.#wake.reject(new Error(`${result.code}: ${result.detail}`));
      else this.#inbox.push(result);
    }
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** A message, or one made of its xid. */
  send(message: Message | ((xid: number) => Message)): number {
    this.#xid++;
    this.#socket.write(encode(typeof message === 'function' ? message(this.#xid) : message, this.#xid));
    return this.#xid;
  }

  /** The next message of a type, of whatever xid; an error message in its place is thrown. */
  async next<T extends MessageType>(type: T): Promise<MessageOf<T>> {
    for (;;) {
      const at = this.#inbox.findIndex(({ message }) => message.type === type || message.type === 'error');
      const [found] = at < 0 ? [] : this.#inbox.splice(at, 1);
      if (found?.message.type === 'error') throw new Error(nameOf(found.message));
      if (found !== undefined) return found.message as MessageOf<T>;
      await within(this.#wake.promise, STEP_TIMEOUT_MS, `no ${type}`);
    }
  }

  /** Sends and awaits the barrier behind it. */
  async commit(...messages: readonly Message[]): Promise<void> {
    for (const message of [...messages, { type: 'barrier-request' } as const]) this.send(message);
    await this.next('barrier-reply');
  }

  close(): void {
    this.#socket.destroy();
  }
}
