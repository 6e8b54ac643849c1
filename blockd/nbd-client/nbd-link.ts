// The way to one export that outlives its server's restarts: requests wait while nobody serves or the server is silent, go on
// with the next connection, and fail once they waited too long. It knows when answered writes may have been lost with a
// server. Time and connections are handed in.
import { COMMAND, NBD_ERROR, SIMPLE_REPLY_BYTES, TRANSMISSION } from '../nbd/nbd-protocol.ts';
import { GivenUpRequests } from './given-up.ts';
import type { ExportFacts } from './nbd-client-handshake.ts';
import { type ClientEvents, type ClientRequest, NbdClientSession } from './nbd-client-session.ts';
import { TrackedRequest } from './tracked-request.ts';

/** Between two tries to reach a server that is away. */
const RETRY_MS = 100;

/** A connection that nobody has used for so long, and that nobody has a file open for, is given up. */
export const REST_MS = 10_000;

/** What a connection brings. */
export interface ConnectionEvents {
  /** Answers how many bytes were used up; the rest comes again with what follows. */
  receive(input: Buffer): number;
  /** It is over, and nothing more comes of it. */
  lost(): void;
}

/** A stream to a server; `close` tells nothing. */
export interface Connection {
  /** The bytes must not change until they are sent. */
  send(bytes: Buffer): void;
  close(): void;
}

/** Connects at once; undefined when nobody listens. */
export type Dial = (events: ConnectionEvents) => Connection | undefined;

/** Somebody who wants the export's facts. */
interface Asker {
  readonly sinceMs: number;
  told(facts: ExportFacts | undefined): void;
}

/** Of an answer that no server gave. */
const NO_REPLY = Buffer.alloc(SIMPLE_REPLY_BYTES);

/** Reaches one export by its name. */
export class NbdLink {
  readonly #name: string;
  readonly #dial: Dial;
  readonly #waitMs: number;
  readonly #nowMs: () => number;
  readonly #say: (trouble: string) => void;
  readonly #withStatus: boolean;
  #connection: Connection | undefined;
  #session: NbdClientSession | undefined;
  #isUp = false;
  #isToClose = false;
  #facts: ExportFacts | undefined;
  #nextTryMs = 0;
  /** All requests without an answer, the oldest first; those of them that are not sent yet; those that were failed. */
  readonly #unanswered = new Set<TrackedRequest>();
  #waiting: TrackedRequest[] = [];
  readonly #givenUp = new GivenUpRequests();
  #askers: Asker[] = [];
  /** Changes that were answered but not made durable with their answer, and how many of them a flush then covered. */
  #answeredChanges = 0;
  #flushedChanges = 0;
  #losses = 0;
  #usedMs = 0;
  /** Nobody used it when it was given up: what it is the next time is new to whoever uses it then. */
  #isRested = false;

  /** `waitMs`: how long a request waits for a server. `withStatus`: for BLOCK_STATUS alone. */
  constructor(
    name: string,
    dial: Dial,
    waitMs: number,
    nowMs: () => number,
    say: (trouble: string) => void = () => undefined,
    withStatus = false,
  ) {
    this.#name = name;
    this.#dial = dial;
    this.#waitMs = waitMs;
    this.#nowMs = nowMs;
    this.#say = say;
    this.#withStatus = withStatus;
  }

  /** What the export was when it was last reached. */
  get facts(): ExportFacts | undefined {
    return this.#facts;
  }

  get isReadOnly(): boolean {
    return ((this.#facts?.flags ?? 0) & TRANSMISSION.READ_ONLY) !== 0;
  }

  /** How often a connection ended while changes that were answered were not flushed: each may have lost some. */
  get losses(): number {
    return this.#losses;
  }

  /**
   * From when on it may be given up; undefined while somebody waits, a change that was answered could be lost with it, or the
   * server may yet carry out one that was given up: a later one must not come before it.
   */
  get restMs(): number | undefined {
    const isNeeded = !this.isIdle || this.#givenUp.size > 0 || this.#answeredChanges > this.#flushedChanges;
    return this.#isUp && !isNeeded ? this.#usedMs + REST_MS : undefined;
  }

  /** Ends the connection, for which nobody has a file open: the server may let the export go, or make it larger. */
  rest(): void {
    this.close();
    this.#isRested = true;
  }

  get isIdle(): boolean {
    return this.#unanswered.size === 0 && this.#askers.length === 0;
  }

  /** Makes a request, now or once there is a server. */
  submit(request: ClientRequest): void {
    this.#usedMs = this.#nowMs();
    const tracked = new TrackedRequest(request, this.#usedMs, this);
    this.#unanswered.add(tracked);
    if (this.#isUp && this.#givenUp.allows(tracked)) this.#session?.request(tracked.begun());
    else this.#wait(tracked);
  }

  /** Tells the export's facts once it is reached; undefined when it was not in time. */
  reach(told: (facts: ExportFacts | undefined) => void): void {
    this.#usedMs = this.#nowMs();
    if (this.#isUp) {
      told(this.#facts);
      return;
    }
    this.#askers.push({ sinceMs: this.#nowMs(), told });
    this.#connect();
  }

  /** When `tick` has something to do; undefined while nothing is waited for. */
  get timerMs(): number | undefined {
    const sinceMs = this.#oldestMs;
    if (sinceMs === undefined) return undefined;
    const expiryMs = sinceMs + this.#waitMs;
    return this.#connection === undefined ? Math.min(expiryMs, this.#nextTryMs) : expiryMs;
  }

  get #oldestMs(): number | undefined {
    const asked = this.#askers[0]?.sinceMs;
    for (const { sinceMs } of this.#unanswered) return Math.min(sinceMs, asked ?? sinceMs);
    return asked;
  }

  /** Fails what waited too long, and tries to reach the server for the rest. */
  tick(): void {
    const madeBeforeMs = this.#nowMs() - this.#waitMs;
    const late = [...this.#unanswered].filter(({ sinceMs }) => sinceMs <= madeBeforeMs);
    const unsent = new Set(this.#waiting);
    this.#waiting = this.#waiting.filter((one) => !late.includes(one));
    for (const one of late) if (!unsent.has(one)) this.#giveUp(one);
    for (const one of late) this.#fail(one, this.#givenUp.has(one));
    const lateAskers = this.#askers.filter(({ sinceMs }) => sinceMs <= madeBeforeMs);
    this.#askers = this.#askers.filter((one) => !lateAskers.includes(one));
    for (const { told } of lateAskers) told(undefined);
    if (this.#waiting.length + this.#askers.length > 0) this.#connect();
    // A server that took the connection and never greeted is not waited for again.
    else if (late.length + lateAskers.length > 0 && !this.#isUp) this.close();
  }

  /** The server is silent, or does not come to it: it may carry the request out yet. */
  #giveUp(tracked: TrackedRequest): void {
    if (this.#givenUp.size === 0) this.#say('the server does not answer: requests fail until it does');
    this.#givenUp.add(tracked);
  }

  #fail(tracked: TrackedRequest, isGivenUp: boolean): void {
    this.#unanswered.delete(tracked);
    tracked.request.answered(tracked.lateError, NO_REPLY, isGivenUp);
  }

  /** Ends the connection; what is under way goes on with the next one, if anything asks for it. */
  close(): void {
    this.#connection?.close();
    this.#lose();
  }

  /** A request is answered: those that the server did not want any more wait for the next one. */
  settle(tracked: TrackedRequest, error: number, reply: Buffer): void {
    if (error === NBD_ERROR.ESHUTDOWN) this.#isToClose = true;
    if (this.#givenUp.delete(tracked)) {
      this.#goOn();
      return;
    }
    if (error === NBD_ERROR.ESHUTDOWN) {
      tracked.lateError = error;
      this.#waiting.push(tracked);
      return;
    }
    if (error === 0 && tracked.isVolatileChange) this.#answeredChanges++;
    if (error === 0 && tracked.type === COMMAND.FLUSH) {
      this.#flushedChanges = Math.max(this.#flushedChanges, tracked.coveredChanges);
    }
    this.#unanswered.delete(tracked);
    tracked.request.answered(error, reply);
  }

  get answeredChanges(): number {
    return this.#answeredChanges;
  }

  #wait(tracked: TrackedRequest): void {
    this.#waiting.push(tracked);
    this.#connect();
  }

  /** Sends what waits and may be sent. */
  #goOn(): void {
    if (!this.#isUp || this.#isToClose) return;
    for (const tracked of this.#waiting.splice(0)) {
      if (this.#givenUp.allows(tracked)) this.#session?.request(tracked.begun());
      else this.#waiting.push(tracked);
    }
  }

  #connect(): void {
    if (this.#connection !== undefined || this.#nowMs() < this.#nextTryMs) return;
    this.#nextTryMs = this.#nowMs() + RETRY_MS;
    const connection = this.#dial({
      receive: (input) => this.#receive(input),
      lost: () => this.#lose(),
    });
    if (connection === undefined) return;
    this.#connection = connection;
    const events: ClientEvents = {
      send: (bytes) => connection.send(bytes),
      ready: (facts) => this.#ready(facts),
      failed: (reason) => {
        this.#say(reason);
        this.#isToClose = true;
      },
    };
    this.#session = new NbdClientSession(this.#name, events, this.#withStatus);
  }

  #receive(input: Buffer): number {
    const used = this.#session?.receive(input) ?? input.length;
    if (!this.#isToClose) return used;
    this.close();
    return input.length;
  }

  #ready(facts: ExportFacts): void {
    const isSame = this.#isRested || this.#facts === undefined || this.#facts.bytes === facts.bytes;
    this.#isRested = false;
    this.#usedMs = this.#nowMs();
    this.#facts = facts;
    this.#isUp = true;
    // Another image under the same name: what was meant for the old one must not touch it.
    if (isSame) this.#goOn();
    else for (const tracked of this.#waiting.splice(0)) this.#fail(tracked, false);
    for (const { told } of this.#askers.splice(0)) told(facts);
  }

  #lose(): void {
    if (this.#connection === undefined) return;
    const pending = (this.#session?.underWay ?? []).filter((request) => request instanceof TrackedRequest);
    this.#connection = undefined;
    this.#session = undefined;
    this.#isUp = false;
    this.#isToClose = false;
    if (this.#answeredChanges > this.#flushedChanges) this.#losses++;
    this.#flushedChanges = this.#answeredChanges;
    const again = pending.filter((tracked) => !this.#givenUp.has(tracked));
    this.#givenUp.clear();
    this.#waiting.unshift(...again);
  }
}
