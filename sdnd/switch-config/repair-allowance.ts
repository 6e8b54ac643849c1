// How many repairs may follow each other at once before they are slowed: two keepers that undo each other must not load the
// switch. Reads no clock.

/** Somebody who takes a bridge apart port by port is answered at once ... */
const BURST = 20;
/** ... and one who goes on for ever once a second. */
const REFILL_MS = 1_000;

export class RepairAllowance {
  #left = BURST;
  #refilledAtMs: number;

  constructor(nowMs: number) {
    this.#refilledAtMs = nowMs;
  }

  /** Whether nothing was taken for so long that all is there again. */
  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#left === BURST;
  }

  /** Takes one and answers 0, or answers how long to wait for the next, ms. */
  take(nowMs: number): number {
    this.#refill(nowMs);
    if (this.#left === 0) return this.#refilledAtMs + REFILL_MS - nowMs;
    this.#left--;
    return 0;
  }

  #refill(nowMs: number): void {
    const refills = Math.floor((nowMs - this.#refilledAtMs) / REFILL_MS);
    this.#left = Math.min(BURST, this.#left + refills);
    this.#refilledAtMs = this.#left === BURST ? nowMs : this.#refilledAtMs + refills * REFILL_MS;
  }
}
