// In which order a destination fetches in the background what is missing: the regions that were used at the source, those
// read most first, then the rest as it lies. Pure; what is missing it asks.
import { REGION_BLOCKS } from './heat-summary.ts';

/** The first missing block at or after `from`, before `end`. */
export type NextMissing = (from: number, end: number) => number | undefined;

/** Neighbouring blocks, the first of which is missing. `isHot`: the summary has them. */
export interface PullRange {
  readonly first: number;
  readonly end: number;
  readonly isHot: boolean;
}

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

  /** The next at most so many blocks to fetch; undefined when it came to the image's end. */
  next(nextMissing: NextMissing, countMax: number): PullRange | undefined {
    while (this.#rank < this.#hottest.length) {
      const end = Math.min(this.#regionStart() + REGION_BLOCKS, this.#blocks);
      const first = nextMissing(this.#cursor, end);
      if (first !== undefined) return this.#passed(first, Math.min(first + countMax, end), true);
      this.#rank++;
      this.#cursor = this.#regionStart();
    }
    const first = nextMissing(this.#cursor, this.#blocks);
    return first === undefined ? undefined : this.#passed(first, Math.min(first + countMax, this.#blocks), false);
  }

  #passed(first: number, end: number, isHot: boolean): PullRange {
    this.#cursor = end;
    return { first, end, isHot };
  }

  #regionStart(): number {
    return (this.#hottest[this.#rank] ?? 0) * REGION_BLOCKS;
  }
}
