// The way to one export that outlives its server's restarts: requests wait while nobody serves, go on with the next
// connection, and fail once they waited too long. It knows when answered writes may have been lost with a server. Time and
// connections are handed in.
import { COMMAND, COMMAND_FLAG, NBD_ERROR, SIMPLE_REPLY_BYTES, TRANSMISSION } from '../nbd/nbd-protocol.ts';
import type { ExportFacts } from './nbd-client-handshake.ts';
import { type ClientRequest, NbdClientSession } from './nbd-client-session.ts';

/** Between two tries to reach a server that is away. */
const RETRY_MS = 100;

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

interface Waiter {
  readonly sinceMs: number;
  /** There is a connection; `isSame`: the image has the size that it had before. */
  begin(facts: ExportFacts, isSame: boolean): void;
  /** It waited too long. */
  expire(): void;
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
  #connection: Connection | undefined;
  #session: NbdClientSession | undefined;
  #isUp = false;
  #isToClose = false;
  #facts: ExportFacts | undefined;
  #nextTryMs = 0;
  #waiting: Waiter[] = [];
  /** Changes that were answered but not made durable with their answer, and how many of them a flush then covered. */
  #answeredChanges = 0;
  #flushedChanges = 0;
  #losses = 0;

  /** `waitMs`: how long a request waits for a server. */
  constructor(
    name: string,
    dial: Dial,
    waitMs: number,
    nowMs: () => number,
    say: (trouble: string) => void = () => undefined,
  ) {
    this.#name = name;
    this.#dial = dial;
    this.#waitMs = waitMs;
    this.#nowMs = nowMs;
    this.#say = say;
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

  get isIdle(): boolean {
    return this.#waiting.length === 0 && (this.#session?.underWay.length ?? 0) === 0;
  }

  /** Makes a request, now or once there is a server. */
  submit(request: ClientRequest): void {
    const tracked = new Tracked(request, this);
    if (this.#isUp) this.#session?.request(tracked);
    else this.#wait(this.#waiterOf(tracked, NBD_ERROR.EIO));
  }

  /** Tells the export's facts once it is reached; undefined when it was not in time. */
  reach(told: (facts: ExportFacts | undefined) => void): void {
    if (this.#isUp) told(this.#facts);
    else this.#wait({ sinceMs: this.#nowMs(), begin: told, expire: () => told(undefined) });
  }

  /** When `tick` has something to do; undefined while nothing waits. */
  get timerMs(): number | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    const expiryMs = first.sinceMs + this.#waitMs;
    return this.#connection === undefined ? Math.min(expiryMs, this.#nextTryMs) : expiryMs;
  }

  /** Fails what waited too long, and tries to reach the server for the rest. */
  tick(): void {
    const nowMs = this.#nowMs();
    const isLate = ({ sinceMs }: Waiter): boolean => nowMs >= sinceMs + this.#waitMs;
    const late = this.#waiting.filter(isLate);
    this.#waiting = this.#waiting.filter((waiter) => !isLate(waiter));
    for (const waiter of late) waiter.expire();
    if (this.#waiting.length > 0) this.#connect();
    // A server that took the connection and never greeted is not waited for again.
    else if (late.length > 0 && !this.#isUp) this.close();
  }

  /** Ends the connection; what is under way goes on with the next one, if anything asks for it. */
  close(): void {
    this.#connection?.close();
    this.#lose(NBD_ERROR.EIO);
  }

  /** A request is answered: those that the server did not want any more wait for the next one. */
  settle(tracked: Tracked, error: number, reply: Buffer): void {
    if (error === NBD_ERROR.ESHUTDOWN) {
      this.#isToClose = true;
      this.#waiting.push(this.#waiterOf(tracked, NBD_ERROR.ESHUTDOWN));
      return;
    }
    if (error === 0 && tracked.isVolatileChange) this.#answeredChanges++;
    if (error === 0 && tracked.type === COMMAND.FLUSH) this.#flushedChanges = tracked.coveredChanges;
    tracked.request.answered(error, reply);
  }

  get answeredChanges(): number {
    return this.#answeredChanges;
  }

  #waiterOf(tracked: Tracked, error: number): Waiter {
    const expire = (): void => tracked.request.answered(error, NO_REPLY);
    const begin: Waiter['begin'] = (_facts, isSame) => {
      // Another image under the same name: what was meant for the old one must not touch it.
      if (isSame) this.#session?.request(tracked.begun());
      else expire();
    };
    return { sinceMs: this.#nowMs(), begin, expire };
  }

  #wait(waiter: Waiter): void {
    this.#waiting.push(waiter);
    this.#connect();
  }

  #connect(): void {
    if (this.#connection !== undefined || this.#nowMs() < this.#nextTryMs) return;
    this.#nextTryMs = this.#nowMs() + RETRY_MS;
    const connection = this.#dial({
      receive: (input) => this.#receive(input),
      lost: () => this.#lose(NBD_ERROR.EIO),
    });
    if (connection === undefined) return;
    this.#connection = connection;
    this.#session = new NbdClientSession(this.#name, {
      send: (bytes) => connection.send(bytes),
      ready: (facts) => this.#ready(facts),
      failed: (reason) => {
        this.#say(reason);
        this.#isToClose = true;
      },
    });
  }

  #receive(input: Buffer): number {
    const used = this.#session?.receive(input) ?? input.length;
    if (!this.#isToClose) return used;
    this.close();
    return input.length;
  }

  #ready(facts: ExportFacts): void {
    const isSame = this.#facts === undefined || this.#facts.bytes === facts.bytes;
    this.#facts = facts;
    this.#isUp = true;
    for (const waiter of this.#waiting.splice(0)) waiter.begin(facts, isSame);
  }

  #lose(error: number): void {
    if (this.#connection === undefined) return;
    const pending = this.#session?.underWay ?? [];
    this.#connection = undefined;
    this.#session = undefined;
    this.#isUp = false;
    this.#isToClose = false;
    if (this.#answeredChanges > this.#flushedChanges) this.#losses++;
    this.#flushedChanges = this.#answeredChanges;
    const again = pending.filter((request) => request instanceof Tracked);
    this.#waiting.unshift(...again.map((tracked) => this.#waiterOf(tracked, error)));
  }
}

/** A request on its way, which may be sent more than once. */
class Tracked implements ClientRequest {
  readonly request: ClientRequest;
  readonly #link: NbdLink;
  coveredChanges: number;

  constructor(request: ClientRequest, link: NbdLink) {
    this.request = request;
    this.#link = link;
    this.coveredChanges = link.answeredChanges;
  }

  /** It is sent now: a flush covers what was answered until here. */
  begun(): this {
    this.coveredChanges = this.#link.answeredChanges;
    return this;
  }

  get type(): number {
    return this.request.type;
  }

  get flags(): number {
    return this.request.flags;
  }

  get offset(): number {
    return this.request.offset;
  }

  get length(): number {
    return this.request.length;
  }

  get payload(): Buffer | undefined {
    return this.request.payload;
  }

  /** It changes the image, and a crash may take the change back. */
  get isVolatileChange(): boolean {
    const isChange = this.type === COMMAND.WRITE || this.type === COMMAND.WRITE_ZEROES || this.type === COMMAND.TRIM;
    return isChange && (this.flags & COMMAND_FLAG.FUA) === 0;
  }

  answered(error: number, reply: Buffer): void {
    this.#link.settle(this, error, reply);
  }
}
