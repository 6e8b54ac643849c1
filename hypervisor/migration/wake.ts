// The one timer of a pure machine: set to when it wants to be looked at, forgotten when it wants another moment.
import type { Clock, Timer } from '../../common/clock.ts';

export class Wake {
  readonly #clock: Clock;
  readonly #tick: () => void;
  #timer: Timer | undefined;

  constructor(clock: Clock, tick: () => void) {
    this.#clock = clock;
    this.#tick = tick;
  }

  /** At a moment of the clock, ms; Infinity for never. */
  at(wakeAtMs: number): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (wakeAtMs === Number.POSITIVE_INFINITY) return;
    // A millisecond later than asked: a timer that fires early would find nothing due and be set again at once.
    this.#timer = this.#clock.setTimer(Math.max(0, wakeAtMs - this.#clock.nowMs()) + 1, this.#tick);
  }
}
