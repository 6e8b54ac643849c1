// How much of its rate a background pull, or a push ahead, takes while the image's own guest is at work: as much as leaves
// the machine's processors something to spare, and an eighth of it always, so that it comes to its end. What the guest is
// likely to ask for next is not held back by this. Sans-IO.
import type { Clock } from '../../common/clock.ts';

/** What processors have left; the real one is the machine's. */
export interface SpareProcessor {
  /** The share of all processors' time, 0 to 1, that nobody used of late. */
  idleShare(): number;
}

/** How often it is looked. */
export const PACE_LOOK_MS = 250;
/** Of the rate, whatever happens: what takes an hour alone takes eight beside a guest that never rests. */
export const SHARE_MIN = 1 / 8;
/** Less than this is left: the guest's threads begin to wait for others'. */
const IDLE_SHORT = 0.2;
/** So much is left that more may be taken. */
const IDLE_AMPLE = 0.3;

/** Whose work is not to be disturbed: an image. */
export interface GuestWork {
  /** Only ever rising. */
  readonly counters: { readonly reads: number; readonly writes: number; readonly flushes: number };
  /** Whether a request waits for another node at this moment. */
  readonly isWaiting: boolean;
}

/** The pace of one image's background work. */
export class PullPace {
  readonly #guest: GuestWork;
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #processor: SpareProcessor | undefined;
  #share = 1;
  #requests = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;

  /** Without a processor there is always something to spare. */
  constructor(guest: GuestWork, clock: Pick<Clock, 'nowMs'>, processor?: SpareProcessor) {
    this.#guest = guest;
    this.#clock = clock;
    this.#processor = processor;
  }

  /** From `SHARE_MIN` to 1. Halves at each look at which the guest was at work and the processors were short. */
  get share(): number {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#lookedMs < PACE_LOOK_MS) return this.#share;
    this.#lookedMs = nowMs;
    this.#look();
    return this.#share;
  }

  #look(): void {
    const { counters, isWaiting } = this.#guest;
    const before = this.#requests;
    this.#requests = counters.reads + counters.writes + counters.flushes;
    // Of a guest that rests nothing else need be known.
    if (this.#requests === before && !isWaiting) this.#share = 1;
    else this.#adapt(this.#processor?.idleShare() ?? 1);
  }

  #adapt(idleShare: number): void {
    if (idleShare < IDLE_SHORT) this.#share = Math.max(SHARE_MIN, this.#share / 2);
    else if (idleShare > IDLE_AMPLE) this.#share = Math.min(1, this.#share + SHARE_MIN);
  }
}

/** Which of many turns are taken: as many as the share says, evenly. */
export class PaceTurns {
  #due = 0;

  take(share: number): boolean {
    this.#due = Math.min(1, this.#due) + share;
    if (this.#due < 1) return false;
    this.#due -= 1;
    return true;
  }
}
