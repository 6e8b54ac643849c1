// A switch's session on a socket, as the lone controller wants it: answers call back, and what is sent in one turn goes out
// with one write. A switch that does not read is first not listened to and then let go.
import type { Socket } from 'node:net';
import type { FlowMod, FlowRemoved, FlowStats, Message, PacketIn, Port } from '@openflow/ofp';
import { OpenFlowSession, type SessionEvent } from '../openflow-session.ts';
import type { Connection } from './mesh-switch.ts';

/** What a connection tells; nothing after `closed`. */
export interface ConnectionListener {
  ready(datapathId: bigint, ports: readonly Port[]): void;
  port(reason: 'add' | 'delete' | 'modify', port: Port): void;
  /** The bytes are a view. */
  packet(packet: PacketIn): void;
  removed(flow: FlowRemoved): void;
  closed(reason: string): void;
}

/** With so much unread by the switch nothing more is taken from it, so that it gets no more answers. */
const UNREAD_PAUSE_BYTES = 2 ** 20;
const UNREAD_BYTES_MAX = 2 ** 25;
const LAST_WORDS_MS = 2_000;
const EVERY_COOKIE = { cookie: 0n, cookieMask: 0n };

type Done = (value: { flows?: readonly FlowStats[]; refusals?: readonly string[] }) => void;

export class LoneConnection implements Connection {
  readonly #socket: Socket;
  readonly #now: () => number;
  readonly #listener: ConnectionListener;
  readonly #session: OpenFlowSession;
  readonly #waiting = new Map<number, Done>();
  #out: Uint8Array[] = [];
  #isClosed = false;
  #heardAtMs: number;

  constructor(socket: Socket, now: () => number, listener: ConnectionListener) {
    this.#socket = socket;
    this.#now = now;
    this.#listener = listener;
    this.#heardAtMs = now();
    this.#session = new OpenFlowSession(now());
    socket.on('data', (bytes: Uint8Array) => this.#receive(bytes));
    socket.on('drain', () => socket.resume());
    socket.on('error', (error) => this.close(error.message));
    socket.on('end', () => this.close('it closed the connection'));
    socket.on('close', () => this.close('it closed the connection'));
    this.#handle(this.#session.start());
  }

  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  say(messages: readonly Message[]): void {
    if (!this.#isClosed) this.#handle(this.#session.say(messages));
  }

  apply(mods: readonly FlowMod[], done: (refusals: readonly string[] | undefined) => void): void {
    if (this.#isClosed) done(undefined);
    else this.#begin(this.#session.apply(mods, this.#now()), ({ refusals }) => done(refusals));
  }

  readFlows(done: (flows: readonly FlowStats[] | undefined) => void): void {
    if (this.#isClosed) done(undefined);
    else this.#begin(this.#session.readFlows(EVERY_COOKIE, this.#now()), ({ flows }) => done(flows));
  }

  /** To be called every second or so. */
  tick(): void {
    this.#handle(this.#session.tick(this.#now()));
  }

  close(reason: string): void {
    if (this.#isClosed) return;
    this.#flush();
    this.#isClosed = true;
    // The last words go out, unless nobody reads them.
    this.#socket.setTimeout(LAST_WORDS_MS, () => this.#socket.destroy());
    this.#socket.destroySoon();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#listener.closed(reason);
    for (const done of waiting) done({});
  }

  #begin({ operation, events }: { operation: number; events: SessionEvent[] }, done: Done): void {
    this.#waiting.set(operation, done);
    this.#handle(events);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#heardAtMs = this.#now();
    this.#handle(this.#session.receive(bytes, this.#heardAtMs));
  }

  #handle(events: readonly SessionEvent[]): void {
    for (const event of events) if (!this.#isClosed) this.#handleOne(event);
  }

  #handleOne(event: SessionEvent): void {
    switch (event.kind) {
      case 'send':
        this.#send(event.bytes);
        break;
      case 'packet':
        this.#listener.packet(event.packet);
        break;
      case 'ready':
        this.#listener.ready(event.datapathId, event.ports);
        break;
      case 'port':
        this.#listener.port(event.reason, event.port);
        break;
      case 'removed':
        this.#listener.removed(event.flow);
        break;
      case 'flows':
        this.#settle(event.operation, { flows: event.flows });
        break;
      case 'applied':
        this.#settle(event.operation, { refusals: event.refusals });
        break;
      case 'failed':
        this.close(`it refuses an operation: ${event.reason}`);
        break;
      case 'close':
        this.close(event.reason);
        break;
    }
  }

  #settle(operation: number, value: Parameters<Done>[0]): void {
    const done = this.#waiting.get(operation);
    this.#waiting.delete(operation);
    done?.(value);
  }

  #send(bytes: Uint8Array): void {
    if (this.#out.push(bytes) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const [first, ...more] = this.#out;
    if (first === undefined || this.#isClosed) return;
    this.#out = [];
    this.#socket.write(more.length === 0 ? first : Buffer.concat([first, ...more]));
    const unreadBytes = this.#socket.writableLength;
    if (unreadBytes > UNREAD_BYTES_MAX) this.close(`it reads nothing: ${unreadBytes} bytes wait`);
    else if (unreadBytes > UNREAD_PAUSE_BYTES) this.#socket.pause();
  }
}
