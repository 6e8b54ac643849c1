// Gives the room of blocks that became zeros back to the disk, once that they are zeros is durable. The table alone says
// what reads as zeros (SOUNDNESS A14): nothing here changes what anyone reads.
import type { DiskFile } from '../../common/disk.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { HERE } from '../table/version-run.ts';
import type { VersionTable } from '../table/version-table.ts';

export interface BlockRange {
  readonly first: number;
  readonly end: number;
}

/** The zero blocks of one image whose room is still taken. */
export class ZeroBlocks {
  readonly #table: VersionTable;
  readonly #data: DiskFile;
  #noted: BlockRange[] = [];
  #punching: readonly BlockRange[] = [];
  #punched: Promise<void> = Promise.resolve();

  constructor(table: VersionTable, data: DiskFile) {
    this.#table = table;
    this.#data = data;
  }

  /** Settles when no room is being given back. Never rejects. */
  get punched(): Promise<void> {
    return this.#punched;
  }

  note(first: number, end: number): void {
    this.#noted.push({ first, end });
  }

  /** What was noted so far, for the barrier that makes it durable. */
  take(): BlockRange[] {
    return this.#noted.splice(0);
  }

  /** Whether the blocks' room is being given back at this moment: a write into them must wait for `punched`. */
  isBusy(first: number, end: number): boolean {
    return this.#punching.some((range) => range.first < end && first < range.end);
  }

  /** Gives back what is zeros still, now that the table that says so is durable. */
  punch(ranges: readonly BlockRange[]): void {
    const zeros = ranges.flatMap((range) => this.#stillZero(range));
    if (zeros.length === 0) return;
    this.#punching = [...this.#punching, ...zeros];
    this.#punched = this.#punched.then(() => this.#punchAll(zeros));
  }

  async #punchAll(zeros: readonly BlockRange[]): Promise<void> {
    for (const { first, end } of zeros) {
      // Only room is at stake: a file system that has no holes costs room, not content.
      await this.#data.punch(first * BLOCK_BYTES, (end - first) * BLOCK_BYTES).catch(() => undefined);
    }
    this.#punching = this.#punching.filter((range) => !zeros.includes(range));
  }

  #stillZero({ first, end }: BlockRange): BlockRange[] {
    const zero: BlockRange[] = [];
    for (let block = first; block < end; ) {
      const next = this.#table.endOfContent(block, end);
      if (this.#table.contentOf(block) === HERE) zero.push({ first: block, end: next });
      block = next;
    }
    return zero;
  }
}
