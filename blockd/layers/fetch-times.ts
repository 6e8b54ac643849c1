// How long clients waited for blocks of other nodes, in buckets that are the same everywhere, so that they add up.
import { FETCH_BUCKETS_MS, type TimeCounts } from '../../wire/contracts/metrics.ts';

/** The times since the daemon's start. */
export class FetchTimes {
  readonly #counts = new Array<number>(FETCH_BUCKETS_MS.length + 1).fill(0);
  #sumMs = 0;

  add(tookMs: number): void {
    const bucket = FETCH_BUCKETS_MS.findIndex((end) => tookMs <= end);
    const at = bucket < 0 ? FETCH_BUCKETS_MS.length : bucket;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sumMs += tookMs;
  }

  get counts(): TimeCounts {
    return { counts: [...this.#counts], sumMs: this.#sumMs };
  }
}

/** Several images' together. */
export function sumOfTimes(all: readonly TimeCounts[]): TimeCounts {
  const counts = [...new FetchTimes().counts.counts];
  for (const one of all) for (const [at, count] of one.counts.entries()) counts[at] = (counts[at] ?? 0) + count;
  return { counts, sumMs: all.reduce((sum, { sumMs }) => sum + sumMs, 0) };
}
