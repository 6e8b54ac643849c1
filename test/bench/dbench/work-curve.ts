// How much work was done by when, and what follows from it: throughput second by second, when so much was done, and when
// the old speed was reached again. Pure.

/** At this time so much had been done since the start; ms from the start. */
export type Point = readonly [atMs: number, bytes: number];

const SECOND_MS = 1_000;

export class WorkCurve {
  readonly #points: readonly Point[];

  /** Points in the order of time. Between two of them work is taken to have gone on evenly. */
  constructor(points: readonly Point[]) {
    this.#points = [[0, 0], ...points.filter(([atMs]) => atMs > 0)];
  }

  get points(): readonly Point[] {
    return this.#points;
  }

  /** How much was done by then; after the last point nothing is known to have been. */
  bytesAt(ms: number): number {
    const after = this.#points.findIndex(([atMs]) => atMs > ms);
    if (after === 0) return 0;
    const [beforeMs, before] = this.#points.at(after === -1 ? -1 : after - 1) ?? [0, 0];
    const next = after === -1 ? undefined : this.#points[after];
    if (next === undefined) return before;
    return before + ((next[1] - before) * (ms - beforeMs)) / (next[0] - beforeMs);
  }

  /** When so much was done; undefined when it never was. */
  timeOf(bytes: number): number | undefined {
    const reached = this.#points.findIndex(([, done]) => done >= bytes);
    if (reached < 1) return reached === 0 ? 0 : undefined;
    const [beforeMs, before] = this.#points[reached - 1] ?? [0, 0];
    const [afterMs, after] = this.#points[reached] ?? [0, 0];
    return beforeMs + ((afterMs - beforeMs) * (bytes - before)) / (after - before);
  }

  /** Bytes done in each whole second before the end. */
  perSecond(endMs: number): number[] {
    const seconds = Math.floor(endMs / SECOND_MS);
    return Array.from(
      { length: seconds },
      (_, second) => this.bytesAt((second + 1) * SECOND_MS) - this.bytesAt(second * SECOND_MS),
    );
  }

  /** How much is done in a stretch that begins when so much had been done, or that is the last one; undefined before both. */
  doneAfter(bytes: number, windowMs: number): number | undefined {
    const lastMs = (this.#points.at(-1)?.[0] ?? 0) - windowMs;
    const beginMs = Math.min(this.timeOf(bytes) ?? lastMs, lastMs);
    return beginMs < 0 ? undefined : this.bytesAt(beginMs + windowMs) - this.bytesAt(beginMs);
  }

  /**
   * How long after `fromMs` a stretch of `windowMs` begins in which enough is done, in whole seconds; undefined when none
   * does before the end. `enough` is asked with what had been done when the stretch begins.
   */
  secondsUntil(enough: (bytes: number) => number, fromMs: number, endMs: number, windowMs: number): number | undefined {
    for (let seconds = 0; fromMs + seconds * SECOND_MS + windowMs <= endMs; seconds += 1) {
      const beginMs = fromMs + seconds * SECOND_MS;
      const before = this.bytesAt(beginMs);
      if (this.bytesAt(beginMs + windowMs) - before >= enough(before)) return seconds;
    }
    return undefined;
  }
}
