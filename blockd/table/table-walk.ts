// A table that is told from its first block to its last while it goes on changing: in parts that each take a moment, so
// that no request waits for a large one. What is not durable it leaves to the barrier that makes it so.
import type { VersionTable } from './version-table.ts';

/** Blocks of one part that take memory: some 2 ms. */
const PART_BLOCKS = 2 ** 14;

/** One way through a table. */
export class TableWalk {
  readonly #table: VersionTable;
  readonly #afterSequence: number | undefined;
  #from = 0;

  /** All entries, those of blocks never written included; or only those of later writes than a sequence. */
  constructor(table: VersionTable, afterSequence: number | undefined) {
    this.#table = table;
    this.#afterSequence = afterSequence;
  }

  get isOver(): boolean {
    return this.#from >= this.#table.blocks;
  }

  /** The next entries as runs in block order, as they are now; there may be none. */
  next(): Buffer {
    const { runs, end } = this.#table.runs(this.#from, PART_BLOCKS, (block) => this.#isTold(block));
    this.#from = end;
    return runs;
  }

  #isTold(block: number): boolean {
    if (this.#table.isChanged(block)) return false;
    return this.#afterSequence === undefined || this.#table.sequenceAt(block) > this.#afterSequence;
  }
}
