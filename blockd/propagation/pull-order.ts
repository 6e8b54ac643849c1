// In which order a destination fetches in the background what is missing: the regions that were read most at the source,
// then the rest as it lies. Pure; what is missing it asks.
import { REGION_BLOCKS } from './heat-summary.ts';

/** The first run of missing blocks at or after `from`, before `end`, of at most so many. */
export type NextMissing<Run> = (from: number, end: number, countMax: number) => Run | undefined;

/** Goes through an image once; `restart` begins anew. */
export class PullOrder {
  readonly #blocks: number;
  readonly #hottest: Uint32Array;
  #rank = 0;
  /** The next block: within the region of that rank, and of the image once all ranks are through. */
  #cursor: number;

  /** `hottest`: regions of a heat summary, the hottest first; none for the order of the blocks. */
  constructor(blocks: number, hottest: Uint32Array = new Uint32Array(0)) {
    this.#blocks = blocks;
    this.#hottest = hottest;
    this.#cursor = this.#regionStart();
  }

  restart(): void {
    this.#rank = 0;
    this.#cursor = this.#regionStart();
  }

  /** The next run to fetch; undefined when it came to the image's end. */
  next<Run extends { readonly first: number; readonly count: number }>(
    nextMissing: NextMissing<Run>,
    countMax: number,
  ): Run | undefined {
    while (this.#rank < this.#hottest.length) {
      const end = Math.min(this.#regionStart() + REGION_BLOCKS, this.#blocks);
      const run = nextMissing(this.#cursor, end, countMax);
      if (run !== undefined) return this.#passed(run);
      this.#rank++;
      this.#cursor = this.#regionStart();
    }
    const run = nextMissing(this.#cursor, this.#blocks, countMax);
    return run === undefined ? undefined : this.#passed(run);
  }

  #passed<Run extends { readonly first: number; readonly count: number }>(run: Run): Run {
    this.#cursor = run.first + run.count;
    return run;
  }

  #regionStart(): number {
    return (this.#hottest[this.#rank] ?? 0) * REGION_BLOCKS;
  }
}
