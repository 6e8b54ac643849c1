// Carries a machine's RAM stream between the hypervisor's socket and the way to the other node, both directions (the
// return path tells the source that all has arrived). It must never hold more than the two streams' own buffers, nor
// leave one side open when the other is gone.
import type { Duplex } from 'node:stream';
import { type Clock, realClock, type Timer } from '../../common/clock.ts';

/** How far the sender may run ahead of its rate: shorter waits cost a timer for every chunk. */
const RATE_SLACK_MS = 5;

export class RamPumpError extends Error {
  override readonly name = 'RamPumpError';
  readonly code = 'RAM_STREAM_BROKEN';
}

export interface RamPumpOptions {
  /** Of the direction local to remote; none if absent. The hypervisor's own limit does not hold for its last pass. */
  readonly rateBytesPerSecond?: number;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

type Side = 'local' | 'remote';

/** One migration's pump. Both streams are the pump's from now on and have to be half-open ones. */
export class RamPump {
  /** Resolves when both directions have ended in order; rejects with RamPumpError, both streams destroyed. */
  readonly done: Promise<void>;
  readonly #local: Duplex;
  readonly #remote: Duplex;
  readonly #clock: Clock;
  readonly #result = Promise.withResolvers<void>();
  readonly #bytes = { sent: 0, received: 0 };
  #openDirections = 2;
  #rateBytesPerSecond: number | undefined;
  #paidUntilMs = 0;
  #timer: Timer | undefined;
  #over = false;

  constructor(local: Duplex, remote: Duplex, options: RamPumpOptions = {}) {
    this.#local = local;
    this.#remote = remote;
    this.#clock = options.clock ?? realClock;
    this.#rateBytesPerSecond = options.rateBytesPerSecond;
    this.done = this.#result.promise;
    // Told to whoever waits for `done`.
    this.done.catch(() => undefined);
    this.#watch('local', local);
    this.#watch('remote', remote);
    this.#carry(local, remote, (count) => this.#sent(count));
    this.#carry(remote, local, (count) => this.#received(count));
    // A socket that was accepted paused does not start by being listened to.
    local.resume();
    remote.resume();
  }

  /** Taken from the hypervisor and given to the way to the other node. */
  get sentBytes(): number {
    return this.#bytes.sent;
  }

  /** Taken from the other node and given to the hypervisor. */
  get receivedBytes(): number {
    return this.#bytes.received;
  }

  /** A new limit for local to remote, from the next chunk on; undefined lifts it. */
  setRate(bytesPerSecond: number | undefined): void {
    this.#rateBytesPerSecond = bytesPerSecond;
    this.#paidUntilMs = this.#clock.nowMs();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#resumeLocal();
  }

  /** Breaks both streams at once, as a network that is gone would. */
  cut(reason = 'cut by us'): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#local.destroy();
    this.#remote.destroy();
    this.#result.reject(new RamPumpError(`RAM stream: ${reason}; ${this.#counts()}`));
  }

  #carry(from: Duplex, to: Duplex, counted: (count: number) => void): void {
    from.on('data', (chunk: Buffer) => {
      const room = to.write(chunk);
      if (!room) from.pause();
      counted(chunk.length);
    });
    to.on('drain', () => (from === this.#local ? this.#resumeLocal() : from.resume()));
    from.once('end', () => {
      // Counted as ended when the other side has taken it all.
      to.end(() => to.errored === null && to.writableFinished && this.#directionEnded());
    });
  }

  #watch(side: Side, stream: Duplex): void {
    stream.on('error', (error) => this.cut(`${side} side: ${error.message}`));
    stream.once('close', () => {
      if (!stream.readableEnded || !stream.writableFinished) this.cut(`${side} side closed early`);
    });
  }

  #sent(count: number): void {
    this.#bytes.sent += count;
    if (this.#rateBytesPerSecond === undefined) return;
    const now = this.#clock.nowMs();
    const costMs = (count * 1000) / this.#rateBytesPerSecond;
    this.#paidUntilMs = Math.max(this.#paidUntilMs, now - RATE_SLACK_MS) + costMs;
    if (this.#paidUntilMs > now + RATE_SLACK_MS) this.#waitUntilPaid(this.#paidUntilMs - now);
  }

  #waitUntilPaid(waitMs: number): void {
    this.#local.pause();
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(waitMs, () => {
      this.#timer = undefined;
      this.#resumeLocal();
    });
  }

  /** The local side runs only when neither the rate nor the remote side's buffer holds it. */
  #resumeLocal(): void {
    if (this.#timer === undefined && !this.#remote.writableNeedDrain) this.#local.resume();
  }

  #received(count: number): void {
    this.#bytes.received += count;
  }

  #directionEnded(): void {
    this.#openDirections -= 1;
    if (this.#openDirections > 0 || this.#over) return;
    this.#over = true;
    this.#timer?.cancel();
    this.#result.resolve();
  }

  #counts(): string {
    return `${this.#bytes.sent} bytes sent, ${this.#bytes.received} received`;
  }
}
