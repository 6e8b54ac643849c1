// How many frames of one guest's port the services look at: a guest that floods has its own frames dropped, and no other's.

/** More than a guest needs that boots, resolves names and looks its neighbours up. */
export const FRAMES_PER_S = 50;
/** A guest that starts to speak to its whole network. */
export const FRAMES_AT_ONCE = 100;
const TELL_EVERY_MS = 1_000;

/** What becomes of a frame: whether it is looked at, and how many were not, once a second. */
export interface Allowed {
  readonly isAllowed: boolean;
  /** Frames dropped since it was last told; 0: nothing to tell. */
  readonly toldDrops: number;
}

/** A bucket of tokens, one for each frame. */
export class PortAllowance {
  #tokens = FRAMES_AT_ONCE;
  #filledMs: number;
  #dropped = 0;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(nowMs: number) {
    this.#filledMs = nowMs;
  }

  /** Counts a frame. `nowMs`: of a clock that does not go back. */
  take(nowMs: number): Allowed {
    const sinceMs = Math.max(0, nowMs - this.#filledMs);
    this.#filledMs = Math.max(nowMs, this.#filledMs);
    this.#tokens = Math.min(FRAMES_AT_ONCE, this.#tokens + (sinceMs * FRAMES_PER_S) / 1_000);
    const isAllowed = this.#tokens >= 1;
    if (isAllowed) this.#tokens--;
    else this.#dropped++;
    return { isAllowed, toldDrops: this.#tell(nowMs) };
  }

  #tell(nowMs: number): number {
    if (this.#dropped === 0 || nowMs - this.#toldMs < TELL_EVERY_MS) return 0;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#toldMs = nowMs;
    return dropped;
  }
}
