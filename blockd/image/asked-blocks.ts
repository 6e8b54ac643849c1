// Which blocks were asked of other nodes and are not here yet, and who waits for them. What a client waits for is asked
// for again though a pull has it under way: that one may be stuck, or far behind in its queue. Whichever comes first will do.
import type { FetchCause, WantedRun } from './block-fetcher.ts';

interface AskedBlock {
  readonly came: Promise<void>;
  readonly cause: FetchCause;
}

/** The blocks of one layer that are under way. */
export class AskedBlocks {
  readonly #asked = new Map<number, AskedBlock>();

  get size(): number {
    return this.#asked.size;
  }

  /** Whether any of the blocks is. */
  hasAny(first: number, end: number): boolean {
    for (let block = first; block < end; block++) if (this.#asked.has(block)) return true;
    return false;
  }

  /** What to wait for, where asking again for that cause would bring the block no sooner. */
  waitFor(block: number, cause: FetchCause): Promise<void> | undefined {
    const asked = this.#asked.get(block);
    return asked === undefined || (cause === 'demand' && asked.cause !== 'demand') ? undefined : asked.came;
  }

  /** The first of the blocks from `first` to before `end` that is waited for so; `end` without one. */
  nextWaitedFor(first: number, end: number, cause: FetchCause): number {
    let block = first;
    while (block < end && this.waitFor(block, cause) === undefined) block++;
    return block;
  }

  /**
   * The blocks of these runs are asked for, and come with the promise. Answers when they have: as it does, or before it once
   * all of what they were under way with before has come.
   */
  put(runs: readonly WantedRun[], own: Promise<void>, cause: FetchCause): Promise<void> {
    const came = this.#firstOf(own, runs);
    const asked = { came, cause };
    for (const block of blocksOf(runs)) this.#asked.set(block, asked);
    const forget = (): void => {
      for (const block of blocksOf(runs)) if (this.#asked.get(block) === asked) this.#asked.delete(block);
    };
    came.then(forget, forget);
    return came;
  }

  #firstOf(own: Promise<void>, runs: readonly WantedRun[]): Promise<void> {
    const others = new Set<Promise<void>>();
    for (const block of blocksOf(runs)) {
      const other = this.#asked.get(block)?.came;
      if (other === undefined) return own;
      others.add(other);
    }
    return new Promise((resolve, reject) => {
      own.then(resolve, reject);
      Promise.all(others).then(
        () => resolve(),
        () => undefined,
      );
    });
  }
}

function* blocksOf(runs: readonly WantedRun[]): Generator<number> {
  for (const { first, count } of runs) for (let block = first; block < first + count; block++) yield block;
}
