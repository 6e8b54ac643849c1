// An OpenFlow session on a socket: events become bytes and answers become promises. Holds no flows and repeats nothing;
// when the connection ends, every operation that was under way fails.
import type { Duplex } from 'node:stream';
import type { FlowMod, FlowStats, Message, PacketIn, Port } from '@openflow/ofp';
import type { Clock, Timer } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import { AGENT_COOKIES, WRITER_MASK } from '../pipeline.ts';
import { type CookieFilter, isRemoval, OpenFlowSession, type SessionEvent } from './openflow-session.ts';
import type { RoleWish } from './session-role.ts';

/** What a channel tells the one who made it. */
export interface ChannelListener {
  ready(datapathId: bigint, ports: readonly Port[]): void;
  port(reason: 'add' | 'delete' | 'modify', port: Port): void;
  /** Only of a channel that has asked for packets; the bytes must be copied to be kept. */
  packet?(packet: PacketIn): void;
  /** The switch sent what is no message; told of once in ten seconds. */
  garbled?(reason: string): void;
  /** The switch obeys a controller of a higher term; the channel's end follows. */
  outranked?(): void;
  /** Once, at the end of every channel, whether it was ever ready or not. */
  closed(reason: string): void;
}

/** What an operation comes to; of most nothing is asked but that it is done. */
interface Outcome {
  readonly flows: readonly FlowStats[];
  readonly count: number;
}

interface Waiting {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** How often a session looks at the time. */
const TICK_MS = 1_000;
/** What may wait for the switch to read it: twice a million flow-mods. One that only sends, and never reads, is not kept in memory. */
const UNSENT_BYTES_MAX = 256 * 1024 * 1024;
const EVERY_COOKIE: CookieFilter = { cookie: 0n, cookieMask: 0n };
const AGENTS: readonly CookieFilter[] = AGENT_COOKIES.map((cookie) => ({ cookie, cookieMask: WRITER_MASK }));
const DONE: Outcome = { flows: [], count: 0 };

/** A connection with one switch. */
export class OpenFlowChannel {
  readonly #socket: Duplex;
  readonly #clock: Clock;
  readonly #listener: ChannelListener;
  readonly #session: OpenFlowSession;
  readonly #waiting = new Map<number, Waiting>();
  #promotion: Waiting | undefined;
  #timer: Timer;
  #isClosed = false;

  constructor(socket: Duplex, clock: Clock, listener: ChannelListener, wish?: RoleWish) {
    this.#socket = socket;
    this.#clock = clock;
    this.#listener = listener;
    this.#session = new OpenFlowSession(clock.nowMs(), wish);
    this.#timer = this.#tickLater();
    socket.on('data', (bytes: Uint8Array) => this.#handle(this.#session.receive(bytes, clock.nowMs())));
    socket.on('error', (error) => this.close(error.message));
    socket.on('close', () => this.close('the switch closed the connection'));
    this.#handle(this.#session.start());
  }

  /** Reads installed flow entries. @throws OperationError SWITCH_LOST or SWITCH_REFUSED */
  async readFlows(filter = EVERY_COOKIE): Promise<readonly FlowStats[]> {
    return (await this.#start(() => this.#session.readFlows(filter, this.#clock.nowMs()))).flows;
  }

  /**
   * How many entries but agents' it has, strangers' too, which costs it and here next to nothing. No filter says whose they are
   * not, so all are counted and agents' taken off; one that an agent changes in between makes the number wrong that once.
   * @throws OperationError as above
   */
  async countFlows(): Promise<number> {
    const [all = 0, ...agents] = await Promise.all([EVERY_COOKIE, ...AGENTS].map((filter) => this.#count(filter)));
    return agents.reduce((rest, count) => rest - count, all);
  }

  /**
   * Sends flow-mods; answers after the switch's barrier. Where some take away what others bring in another form, a switch that
   * refuses these goes on with what it has. @throws OperationError SWITCH_LOST or SWITCH_REFUSED
   */
  async apply(mods: readonly FlowMod[]): Promise<void> {
    if (mods.some(isRemoval) && !mods.every(isRemoval)) await this.applyWhole(mods);
    else await this.#start(() => this.#session.apply(mods, this.#clock.nowMs()));
  }

  /** The same of all or none, whatever they are, also where this process or the connection ends in the middle. */
  async applyWhole(mods: readonly FlowMod[]): Promise<void> {
    await this.#start(() => this.#session.applyWhole(mods, this.#clock.nowMs()));
  }

  /** Whether the switch takes changes from here, and from nobody of a lower term. */
  get isMaster(): boolean {
    return this.#session.isMaster;
  }

  /** From slave to master, once. @throws OperationError SWITCH_LOST, also when another one's term is higher */
  async promote(generationId: bigint): Promise<void> {
    if (this.#isClosed || !this.#session.isReady) throw lost('there is no session');
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    this.#promotion = { resolve, reject };
    this.#handle(this.#session.promote(generationId));
    await promise;
  }

  /** Sends what needs no answer; nothing where there is no session. */
  say(messages: readonly Message[]): void {
    if (!this.#isClosed && this.#session.isReady) this.#handle(this.#session.say(messages));
  }

  /** Ends the connection; the flows of the switch stay as they are. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer.cancel();
    this.#socket.destroy();
    for (const { reject } of this.#waiting.values()) reject(lost(reason));
    this.#waiting.clear();
    this.#promotion?.reject(lost(reason));
    this.#listener.closed(reason);
  }

  async #count(filter: CookieFilter): Promise<number> {
    return (await this.#start(() => this.#session.countFlows(filter, this.#clock.nowMs()))).count;
  }

  #start(begin: () => { operation: number; events: SessionEvent[] }): Promise<Outcome> {
    if (this.#isClosed || !this.#session.isReady) return Promise.reject(lost('there is no session'));
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const { operation, events } = begin();
    this.#waiting.set(operation, { resolve, reject });
    this.#handle(events);
    return promise;
  }

  #handle(events: readonly SessionEvent[]): void {
    this.#socket.cork();
    for (const event of events) this.#handleOne(event);
    this.#socket.uncork();
  }

  #handleOne(event: SessionEvent): void {
    switch (event.kind) {
      case 'send':
        if (!this.#isClosed) this.#write(event.bytes);
        break;
      case 'ready':
        this.#listener.ready(event.datapathId, event.ports);
        break;
      case 'port':
        this.#listener.port(event.reason, event.port);
        break;
      case 'packet':
        this.#listener.packet?.(event.packet);
        break;
      case 'flows':
        this.#settle(event.operation)?.resolve({ ...DONE, flows: event.flows });
        break;
      case 'counted':
        this.#settle(event.operation)?.resolve({ ...DONE, count: event.count });
        break;
      case 'applied':
        this.#applied(event.operation, event.refusals);
        break;
      case 'failed':
        this.#settle(event.operation)?.reject(refused(event.reason));
        break;
      case 'garbled':
        this.#listener.garbled?.(event.reason);
        break;
      case 'promoted':
        this.#promotion?.resolve(DONE);
        break;
      case 'outranked':
        this.#listener.outranked?.();
        break;
      case 'close':
        this.#socket.end();
        this.close(event.reason);
        break;
    }
  }

  #write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
    if (this.#socket.writableLength > UNSENT_BYTES_MAX) this.close(`${UNSENT_BYTES_MAX} bytes wait to be read by it`);
  }

  #applied(operation: number, refusals: readonly string[]): void {
    const waiting = this.#settle(operation);
    if (refusals.length === 0) waiting?.resolve(DONE);
    else waiting?.reject(refused(refusals.join('; ')));
  }

  #settle(operation: number): Waiting | undefined {
    const waiting = this.#waiting.get(operation);
    this.#waiting.delete(operation);
    return waiting;
  }

  #tickLater(): Timer {
    const dueMs = this.#clock.nowMs() + TICK_MS;
    return this.#clock.setTimer(TICK_MS, () => {
      const nowMs = this.#clock.nowMs();
      // What came meanwhile lies unread: that nobody looked here is no silence of the switch.
      this.#session.excuse(nowMs - dueMs);
      this.#timer = this.#tickLater();
      this.#handle(this.#session.tick(nowMs));
    });
  }
}

function lost(reason: string): OperationError {
  return new OperationError('SWITCH_LOST', `the switch cannot be asked: ${reason}`, {
    remedy: 'Check that ovs-vswitchd runs on that node; it is brought up to date when it is back.',
  });
}

function refused(reason: string): OperationError {
  return new OperationError('SWITCH_REFUSED', `the switch refused an operation: ${reason}`);
}
