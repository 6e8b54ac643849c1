// How many reads of the disk are on their way while somebody waits for nothing but the thread that takes them: as many as
// leave it some of its time, and one at least. A thread that is never asleep gets its turn late, and so do the processes that
// it answers, where there are few processors. A slow disk, whose reads cost the thread little, may have many.
import { performance } from 'node:perf_hooks';

/** Of its time that the thread may be awake. */
const AWAKE_MAX = 0.75;
/** The window is changed no sooner: it has to show first what it does. */
const STEP_MS = 5;

/** What share of its time the thread was awake since it was asked the last time. */
function threadUse(): () => number {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}

/** Halves when the thread has too much to do, and grows by one when it has not. */
export class ReadWindow {
  readonly #most: number;
  readonly #use: () => number;
  readonly #nowMs: () => number;
  #size = 1;
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(most: number, use = threadUse(), nowMs: () => number = () => performance.now()) {
    this.#most = most;
    this.#use = use;
    this.#nowMs = nowMs;
  }

  /** How many may be on their way now. Asked whenever reads are to begin; looks at the thread once in a while, and changes then. */
  next(): number {
    const nowMs = this.#nowMs();
    if (nowMs - this.#sinceMs < STEP_MS) return this.#size;
    this.#sinceMs = nowMs;
    this.#size = this.#use() > AWAKE_MAX ? Math.max(1, this.#size >> 1) : Math.min(this.#most, this.#size + 1);
    return this.#size;
  }
}
