// What one barrier of a writer changed, as a copy has heard it: ranges of zeros, and blocks with their contents. Applied to
// the copy's store in one step, so that no block is ever named without its content. Knows no stream.
import type { ImageStore } from '../store/image-store.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA, HERE, type VersionRun } from '../table/version-run.ts';

/** A block's version and checksum, and its content. */
export interface ToldBlock {
  readonly high: number;
  readonly low: number;
  readonly sum: number;
  readonly data: Uint8Array;
}

const IN_FILE = DATA | HERE;

/** Changes in the order in which they were told: what is told later hides what was told before. */
export class ToldBatch {
  readonly #zeros: VersionRun[] = [];
  readonly #blocks = new Map<number, ToldBlock>();

  get isEmpty(): boolean {
    return this.#zeros.length === 0 && this.#blocks.size === 0;
  }

  has(block: number): boolean {
    return this.#blocks.has(block);
  }

  addBlock(block: number, told: ToldBlock): void {
    this.#blocks.set(block, told);
  }

  /** A run without data; blocks of it that were told before are zeros now. */
  addZeros(run: VersionRun): void {
    for (const block of this.#blocks.keys()) {
      if (block >= run.first && block < run.first + run.count) this.#blocks.delete(block);
    }
    this.#zeros.push({ ...run });
  }

  /**
   * Makes the store's extents ready, then changes blocks and table in one step unless `mayWrite` says no by then.
   * @throws OperationError ENOSPC, STORE_FAILED; Error of the disk
   */
  async apply(store: ImageStore, mayWrite: () => boolean): Promise<void> {
    if (this.isEmpty) return;
    const ranges = rangesOf([...this.#blocks.keys()].sort((one, other) => one - other));
    for (
      let obstacle = this.#obstacle(store, ranges);
      obstacle !== undefined;
      obstacle = this.#obstacle(store, ranges)
    ) {
      await obstacle;
    }
    if (!mayWrite()) return;
    for (const run of this.#zeros) {
      store.table.learn(run, 0);
      store.zeros.note(run.first, run.first + run.count);
    }
    for (const [first, end] of ranges) this.#write(store, first, end);
  }

  #write(store: ImageStore, first: number, end: number): void {
    const told: ToldBlock[] = [];
    for (let block = first; block < end; block++) told.push(this.#told(block));
    try {
      store.file.install(Buffer.concat(told.map(({ data }) => data)), first * BLOCK_BYTES);
    } catch (error) {
      // Of a write that found no room a part may be in the file, over what the table says of it.
      for (const [index, one] of told.entries())
        if (store.file.sumOf(first + index) === one.sum) name(store, first + index, one);
      throw error;
    }
    for (const [index, one] of told.entries()) name(store, first + index, one);
  }

  #told(block: number): ToldBlock {
    const told = this.#blocks.get(block);
    if (told === undefined) throw new Error(`block ${block} was not told`);
    return told;
  }

  /** The first thing that the change has to wait for. */
  #obstacle(store: ImageStore, ranges: readonly (readonly [number, number])[]): Promise<void> | undefined {
    for (const [first, end] of ranges) {
      if (store.zeros.isBusy(first, end)) return store.zeros.punched;
      if (!store.active.touch(first, end)) return store.activate(first, end);
    }
    for (const { first, count } of this.#zeros) {
      if (store.zeros.isBusy(first, first + count)) return store.zeros.punched;
      const idle = idleData(store, first, first + count);
      if (idle !== undefined) return store.activate(...idle);
    }
    return undefined;
  }
}

/** The block is here, and as it was told. */
function name(store: ImageStore, block: number, { high, low, sum }: ToldBlock): void {
  store.table.learn({ first: block, count: 1, high, low, flags: DATA, holder: 0, sumAt: () => sum }, 0);
  store.table.arrived(block);
}

/** The first blocks with data whose extents are not active: their place is about to be cleared. */
function idleData(store: ImageStore, first: number, end: number): [number, number] | undefined {
  for (let block = first; block < end; ) {
    const next = store.table.endOfContent(block, end);
    if (store.table.contentOf(block) === IN_FILE && !store.active.touch(block, next)) return [block, next];
    block = next;
  }
  return undefined;
}

/** Neighbours as ranges. */
function rangesOf(blocks: readonly number[]): [first: number, end: number][] {
  const ranges: [number, number][] = [];
  for (const block of blocks) {
    const last = ranges.at(-1);
    if (last?.[1] === block) last[1] = block + 1;
    else ranges.push([block, block + 1]);
  }
  return ranges;
}
