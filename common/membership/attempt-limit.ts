// How often a source may be wrong within a time: against guessing. A state machine over the time it is given; its
// memory is bounded whatever comes.

/** A person mistypes a few times; 256 bits are not guessed at this rate, nor is the log flooded. */
const FAILURES_MAX = 10;
const WINDOW_MS = 10 * 60 * 1000;
/** Beyond it the source that was wrong longest ago is forgotten. */
const SOURCES_MAX = 4096;

interface Failures {
  count: number;
  firstAtMs: number;
}

export class AttemptLimit {
  /** In the order of their first failure. */
  readonly #failures = new Map<string, Failures>();

  /** Whether the source may try. */
  allows(source: string, nowMs: number): boolean {
    this.#forgetOld(nowMs);
    return (this.#failures.get(source)?.count ?? 0) < FAILURES_MAX;
  }

  /** Counts a wrong attempt. */
  failed(source: string, nowMs: number): void {
    const known = this.#failures.get(source);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const oldest = this.#failures.keys().next();
    if (this.#failures.size >= SOURCES_MAX && oldest.done !== true) this.#failures.delete(oldest.value);
    this.#failures.set(source, { count: 1, firstAtMs: nowMs });
  }

  #forgetOld(nowMs: number): void {
    for (const [source, failures] of this.#failures) {
      if (nowMs - failures.firstAtMs < WINDOW_MS) return;
      this.#failures.delete(source);
    }
  }
}
