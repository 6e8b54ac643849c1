// Makes extents active, durably, before the first write into them (SOUNDNESS A3). All that wait at the same time share one
// record: a load of random writes does not pay one sync per extent. It writes no data.
import { type ActiveExtents, blocksOfExtent } from './active-extents.ts';
import type { SpoiltBlocks } from './spoilt-blocks.ts';
import type { StoreJournal } from './store-journal.ts';
import type { BlockRange, ZeroBlocks } from './zero-blocks.ts';

export interface MarksParts {
  readonly active: ActiveExtents;
  readonly journal: StoreJournal;
  readonly zeros: ZeroBlocks;
  readonly spoilt: Pick<SpoiltBlocks, 'settle'>;
  readonly kernelRun: string;
}

/** The marks of one image. */
export class ExtentMarks {
  readonly #active: ActiveExtents;
  readonly #journal: StoreJournal;
  readonly #zeros: ZeroBlocks;
  readonly #spoilt: Pick<SpoiltBlocks, 'settle'>;
  readonly #kernelRun: string;
  #waiting: BlockRange[] = [];
  /** The record that has not begun; the next one gathers while it is on its way to the disk. */
  #next: Promise<void> | undefined;

  constructor(parts: MarksParts) {
    this.#active = parts.active;
    this.#journal = parts.journal;
    this.#zeros = parts.zeros;
    this.#spoilt = parts.spoilt;
    this.#kernelRun = parts.kernelRun;
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
      await this.#spoilt.settle(marked, journal);
      for (const extent of marked) await this.#zeros.clearOthers(...blocksOfExtent(extent, this.#active.blocks));
      await journal.append({ active: [...marked], kernelRun: this.#kernelRun });
      this.#active.add(marked);
    });
    return this.#next;
  }
}
