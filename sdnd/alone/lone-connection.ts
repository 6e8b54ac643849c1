// A switch's session on a socket, as the lone controller wants it: answers call back, and what is sent in one turn goes out
// with one write. A switch that does not read is first not listened to and then let go.
import {
  type FlowMod,
  type FlowRemoved,
  type FlowStats,
  type Message,
  type PacketIn,
  type Port,
  PortNumber,
} from '@openflow/ofp';
import { OpenFlowSession, type SessionEvent } from '../session/openflow-session.ts';
import { ENTRY_BYTES, FRAME_HEAD_BYTES, writeEntry, writeFrame } from './hop-bytes.ts';
import type { LoneSocket } from './lone-socket.ts';
import type { Connection } from './mesh-switch.ts';
import type { Hop } from './path.ts';

/** What a connection tells; nothing after `closed`. */
export interface ConnectionListener {
  ready(datapathId: bigint, ports: readonly Port[]): void;
  port(reason: 'add' | 'delete' | 'modify', port: Port): void;
  /** The bytes are a view. */
  packet(packet: PacketIn): void;
  removed(flow: FlowRemoved): void;
  /** It sent what is no message; told of once in ten seconds. */
  garbled(reason: string): void;
  closed(reason: string): void;
}

/** With so much unread by the switch nothing more is taken from it, so that it gets no more answers. */
const UNREAD_PAUSE_BYTES = 2 ** 20;
const UNREAD_BYTES_MAX = 2 ** 25;
const LAST_WORDS_MS = 2_000;
/** The longest message, with room to spare for more. */
const OUT_BYTES = 2 ** 16;
const EVERY_COOKIE = { cookie: 0n, cookieMask: 0n };

type Done = (value: { flows?: readonly FlowStats[]; refusals?: readonly string[] }) => void;

export class LoneConnection implements Connection {
  readonly #socket: LoneSocket;
  readonly #now: () => number;
  readonly #listener: ConnectionListener;
  readonly #session: OpenFlowSession;
  readonly #waiting = new Map<number, Done>();
  readonly #out = Buffer.allocUnsafeSlow(OUT_BYTES);
  #outBytes = 0;
  #isClosed = false;
  #heardAtMs: number;

  /** `socket` is handed what takes its bytes. */
  constructor(
    socket: (receive: (bytes: Buffer) => void) => LoneSocket,
    now: () => number,
    listener: ConnectionListener,
  ) {
    this.#socket = socket((bytes) => this.#receive(bytes));
    this.#now = now;
    this.#listener = listener;
    this.#heardAtMs = now();
    this.#session = new OpenFlowSession(now());
    const stream = this.#socket.socket;
    stream.on('drain', () => stream.resume());
    stream.on('error', (error) => this.close(error.message));
    stream.on('end', () => this.close('it closed the connection'));
    stream.on('close', () => this.close('it closed the connection'));
    stream.resume();
    this.#handle(this.#session.start());
  }

  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  say(messages: readonly Message[]): void {
    if (!this.#isClosed) this.#handle(this.#session.say(messages));
  }

  put({ inPort, outPort, from, to }: Hop, bufferId: number): void {
    if (this.#isClosed) return;
    const hop = { inPort, from, to, outPort: outPort === inPort ? PortNumber.inPort : outPort };
    writeEntry(this.#out, this.#room(ENTRY_BYTES), this.#session.takeXid(), hop, bufferId);
  }

  send(data: Uint8Array, { inPort, outPort }: Pick<Hop, 'inPort' | 'outPort'>): void {
    if (this.#isClosed) return;
    const way = { inPort, outPort: outPort === inPort ? PortNumber.inPort : outPort };
    writeFrame(this.#out, this.#room(FRAME_HEAD_BYTES + data.length), this.#session.takeXid(), data, way);
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
    const { socket } = this.#socket;
    socket.setTimeout(LAST_WORDS_MS, () => socket.destroy());
    socket.destroySoon();
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
      case 'garbled':
        this.#listener.garbled(event.reason);
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
    this.#out.set(bytes, this.#room(bytes.length));
  }

  /** Where the next so many bytes go, 64 KiB at most. */
  #room(bytes: number): number {
    if (this.#outBytes + bytes > OUT_BYTES) this.#flush();
    if (this.#outBytes === 0) queueMicrotask(() => this.#flush());
    const at = this.#outBytes;
    this.#outBytes += bytes;
    return at;
  }

  #flush(): void {
    if (this.#outBytes === 0 || this.#isClosed) return;
    this.#socket.send(this.#out.subarray(0, this.#outBytes));
    this.#outBytes = 0;
    const { unreadBytes } = this.#socket;
    if (unreadBytes > UNREAD_BYTES_MAX) this.close(`it reads nothing: ${unreadBytes} bytes wait`);
    else if (unreadBytes > UNREAD_PAUSE_BYTES) this.#socket.socket.pause();
  }
}
