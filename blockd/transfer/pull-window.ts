// How much of what nobody waits for may be under way at once: as much as the path takes without a queue, after LEDBAT (RFC
// 6817): it grows while requests take no longer than the fastest of late, and shrinks as soon as a queue shows in their
// times. TCP alone would keep the slowest router's queue filled, in which what a guest waits for then stands too. Sans-IO.
import type { Clock } from '../../common/clock.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';

/** One answer's worth: all that is missing among so many neighbours, in however many versions. */
const REQUEST_BLOCKS_MAX = 64;
/** At a low rate a request is smaller, so that the rate holds over times of this length too. */
const REQUEST_MS = 250;

/** What one request asks for at most. */
export const PULL_REQUEST_BYTES = REQUEST_BLOCKS_MAX * BLOCK_BYTES;
/** Stated cap of what one image, or one seeding, has under way: 107 MB/s at 150 ms. */
export const WINDOW_BYTES_MAX = 16 * 2 ** 20;
const FIRST_BYTES = 2 * PULL_REQUEST_BYTES;
/** How long the pull's own queue may be. RFC 6817 allows 100 ms and says less is better. */
const TARGET_MS = 20;
/** The same while a guest waits for the same link: what it waits for finds so much before it. */
const YIELDING_MS = 10;
/** RFC 6817, 4.2: the least of so many is the present delay, which leaves out what a busy machine adds. */
const PRESENT_SAMPLES = 4;
/** A path's fastest time is forgotten after one to two of these: paths change. */
const BASE_MS = 60_000;

/** Among how many neighbours one request looks, at a rate. */
export function requestBlocks(bytesPerSecond: number): number {
  const blocks = Math.floor((bytesPerSecond * REQUEST_MS) / 1_000 / BLOCK_BYTES);
  return Math.max(1, Math.min(REQUEST_BLOCKS_MAX, blocks));
}

/** The requests of one pull. Bytes, ms. */
export class PullWindow {
  readonly #clock: Pick<Clock, 'nowMs'>;
  #bytes = FIRST_BYTES;
  #underWayBytes = 0;
  /** It was the window that held the pull back, and not its rate. */
  #isFilled = false;
  #targetMs = TARGET_MS;
  #isStarting = true;
  #present: number[] = [];
  #baseMs = Number.POSITIVE_INFINITY;
  #nextBaseMs = Number.POSITIVE_INFINITY;
  #baseSinceMs = 0;
  #shrunkMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
  }

  get underWayBytes(): number {
    return this.#underWayBytes;
  }

  /**
   * Whether one more request may go. While a guest waits for the same link less may queue, but the link stays filled: what
   * is pulled would have to be waited for next. One request always may.
   */
  mayAsk(isYielding: boolean): boolean {
    this.#targetMs = isYielding ? YIELDING_MS : TARGET_MS;
    this.#isFilled = this.#underWayBytes + PULL_REQUEST_BYTES > this.#bytes;
    return !this.#isFilled;
  }

  /** One request. `isFresh`: none of it was under way already, so that its time is the path's. @throws what it throws */
  async during(bytes: number, isFresh: boolean, fetch: () => Promise<void>): Promise<void> {
    const askedMs = this.#clock.nowMs();
    this.#underWayBytes += bytes;
    try {
      await fetch();
      // A small one is faster than any other.
      if (isFresh && bytes * 2 >= PULL_REQUEST_BYTES) this.#came(bytes, this.#clock.nowMs() - askedMs);
    } finally {
      this.#underWayBytes -= bytes;
    }
  }

  #came(bytes: number, tookMs: number): void {
    const nowMs = this.#clock.nowMs();
    this.#note(tookMs, nowMs);
    const queuedMs = this.#queuedMs;
    if (queuedMs > this.#targetMs) this.#shrink(nowMs);
    else if (this.#isFilled) this.#grow(bytes, 1 - queuedMs / this.#targetMs);
  }

  /** How much longer requests take now than they would on the idle path. */
  get #queuedMs(): number {
    return Math.min(...this.#present) - this.#leastMs;
  }

  get #leastMs(): number {
    return Math.min(this.#baseMs, this.#nextBaseMs);
  }

  #note(tookMs: number, nowMs: number): void {
    if (nowMs - this.#baseSinceMs >= BASE_MS) {
      this.#baseMs = this.#nextBaseMs;
      this.#nextBaseMs = Number.POSITIVE_INFINITY;
      this.#baseSinceMs = nowMs;
    }
    this.#nextBaseMs = Math.min(this.#nextBaseMs, tookMs);
    this.#present.push(tookMs);
    if (this.#present.length > PRESENT_SAMPLES) this.#present.shift();
  }

  /** Doubles in each round trip until a queue shows for the first time, then a request's worth in each at most. */
  #grow(bytes: number, share: number): void {
    const step = this.#isStarting ? bytes : (bytes * PULL_REQUEST_BYTES) / this.#bytes;
    this.#bytes = Math.min(WINDOW_BYTES_MAX, this.#bytes + step * share);
  }

  /** To what would have taken the target; what was asked before says nothing of that, so once in a round trip. */
  #shrink(nowMs: number): void {
    const presentMs = Math.min(...this.#present);
    if (nowMs - this.#shrunkMs < presentMs) return;
    this.#shrunkMs = nowMs;
    this.#isStarting = false;
    this.#bytes = Math.max(PULL_REQUEST_BYTES, (this.#bytes * (this.#leastMs + this.#targetMs)) / presentMs);
  }
}
