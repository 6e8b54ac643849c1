// Makes extents active, durably, before the first write into them (SOUNDNESS A3). All that wait at the same time share one
// record: a load of random writes does not pay one sync per extent. It writes no data.
import type { ActiveExtents } from './active-extents.ts';
import type { StoreJournal } from './store-journal.ts';
import type { BlockRange } from './zero-blocks.ts';

/** The marks of one image. */
export class ExtentMarks {
  readonly #active: ActiveExtents;
  readonly #journal: StoreJournal;
  #waiting: BlockRange[] = [];
  /** The record that has not begun; the next one gathers while it is on its way to the disk. */
  #next: Promise<void> | undefined;

  constructor(active: ActiveExtents, journal: StoreJournal) {
    this.#active = active;
    this.#journal = journal;
  }

  /**
   * The extents of the blocks from `first` to before `end` are active when it answers.
   * @throws OperationError ENOSPC, STORE_FAILED
   */
  make(first: number, end: number): Promise<void> {
    this.#waiting.push({ first, end });
    this.#next ??= this.#journal.inTurn(async (journal) => {
      this.#next = undefined;
      const idle = new Set(this.#waiting.flatMap((range) => this.#active.idleOf(range.first, range.end)));
      this.#waiting = [];
      if (idle.size === 0) return;
      await journal.append({ active: [...idle] });
      this.#active.add(idle);
    });
    return this.#next;
  }
}
