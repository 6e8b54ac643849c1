// How often the switches are looked at, and how many at once. Reading every entry of a switch and comparing it takes a controller
// some microseconds each: what a few thousand entries are looked at in passing would, of millions, leave time for nothing else. Pure
// but for its clock.
import type { Clock } from '../../common/clock.ts';

/** Half of the 5 s within which installed equals wanted (PROMISES N5), so that one lost round still keeps it. */
const LOOK_EVERY_MS = 2_500;
/** Entries of all switches that are read and compared each second, some fifth of a processor. */
const ENTRIES_PER_SECOND = 20_000;
/** Switches that are read and compared at the same time: each is in memory twice for so long. */
const TURNS = 8;
/** A switch that hangs must not hold the others up: what takes longer is no turn any more. */
const TURN_MS = 5_000;

export class SwitchWatch {
  readonly #clock: Clock;
  readonly #entries: () => number;
  readonly #waiting: (() => void)[] = [];
  #free = TURNS;

  /** `entries`: how many all switches have. */
  constructor(clock: Clock, entries: () => number) {
    this.#clock = clock;
    this.#entries = entries;
  }

  /** How soon a switch is looked at again, if only at how many entries it has. */
  readonly lookEveryMs = LOOK_EVERY_MS;

  /** Whether all entries of a switch that were read then are to be read again: at each look, unless there are too many in all. */
  isDue(readAtMs: number): boolean {
    // Who was never compared comes first.
    if (this.#waiting.length > 0) return false;
    const everyMs = (1_000 * this.#entries()) / ENTRIES_PER_SECOND;
    return this.#clock.nowMs() - readAtMs >= everyMs - LOOK_EVERY_MS / 2;
  }

  /** Does work that is one of few at once, the first to ask first. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    };
    const timer = this.#clock.setTimer(TURN_MS, end);
    try {
      return await work();
    } finally {
      end();
    }
  }
}
