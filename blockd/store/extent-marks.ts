// Makes extents active, durably, before the first write into them (SOUNDNESS A3). All that wait at the same time share one
// record: a load of random writes does not pay one sync per extent. It writes no data.
import { type ActiveExtents, blocksOfExtent } from './active-extents.ts';
import type { StoreJournal } from './store-journal.ts';
import type { BlockRange, ZeroBlocks } from './zero-blocks.ts';

/** The marks of one image. */
export class ExtentMarks {
  readonly #active: ActiveExtents;
  readonly #journal: StoreJournal;
  readonly #zeros: ZeroBlocks;
  readonly #kernelRun: string;
  #waiting: BlockRange[] = [];
  /** The record that has not begun; the next one gathers while it is on its way to the disk. */
  #next: Promise<void> | undefined;

  constructor(active: ActiveExtents, journal: StoreJournal, zeros: ZeroBlocks, kernelRun: string) {
    this.#active = active;
    this.#journal = journal;
    this.#zeros = zeros;
    this.#kernelRun = kernelRun;
  }

  /**
   * The extents of the blocks from `first` to before `end` are active when it answers.
   * @throws OperationError ENOSPC, STORE_FAILED
   */
  make(first: number, end: number): Promise<void> {
    this.#waiting.push({ first, end });
    this.#next ??= this.#journal.inTurn(async (journal) => {
      this.#next = undefined;
      const idle = this.#waiting.flatMap((range) => this.#active.idleOf(range.first, range.end));
      this.#waiting = [];
      if (idle.length === 0) return;
      const marked = new Set([...idle, ...idle.flatMap((extent) => this.#active.aheadOf(extent))]);
      for (const extent of marked) await this.#zeros.clearOthers(...blocksOfExtent(extent, this.#active.blocks));
      await journal.append({ active: [...marked], kernelRun: this.#kernelRun });
      this.#active.add(marked);
    });
    return this.#next;
  }
}
