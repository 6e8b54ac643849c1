// Keeps the data file all zeros where it has no block's content, as far as extents are active: a write that no record
// describes is found there after a kill of the daemon. The table alone says what reads as zeros (SOUNDNESS A14).

import type { DiskFile } from '../../common/disk/disk.ts';
import { isFull } from '../../common/disk/disk-room.ts';
import { codeOf, OperationError } from '../../common/errors.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA, HERE } from '../table/version-run.ts';
import type { VersionTable } from '../table/version-table.ts';

const ZEROS = new Uint8Array(2 ** 20);

export interface BlockRange {
  readonly first: number;
  readonly end: number;
}

/** The blocks of one image whose place in the data file has to be zeros. */
export class ZeroBlocks {
  readonly #table: VersionTable;
  readonly #data: DiskFile;
  readonly #isSpared: (block: number) => boolean;
  #noted: BlockRange[] = [];
  #punching: readonly BlockRange[] = [];
  #punched: Promise<void> = Promise.resolve();

  /** `isSpared`: a block's place that is not cleared, though the table has nothing of it here. */
  constructor(table: VersionTable, data: DiskFile, isSpared: (block: number) => boolean) {
    this.#table = table;
    this.#data = data;
    this.#isSpared = isSpared;
  }

  /** Settles when no room is being given back. Never rejects. */
  get punched(): Promise<void> {
    return this.#punched;
  }

  /** These became zeros; `clearNoted` is the barrier's. */
  note(first: number, end: number): void {
    this.#noted.push({ first, end });
  }

  /** Whether the blocks' room is being given back at this moment: a write into them must wait for `punched`. */
  isBusy(first: number, end: number): boolean {
    return this.#punching.some((range) => range.first < end && first < range.end);
  }

  /** Clears what was noted and is zeros still, before the record that says so. @throws Error of the disk; it stays noted */
  async clearNoted(): Promise<void> {
    const noted = this.#noted.splice(0);
    try {
      await this.#clear(noted.flatMap((range) => this.#stillZero(range)));
    } catch (error) {
      this.#noted.push(...noted);
      throw error;
    }
  }

  /** Clears whatever of these blocks the file has not the content of. @throws Error of the disk */
  clearOthers(first: number, end: number): Promise<void> {
    const others: BlockRange[] = [];
    for (let block = first; block < end; ) {
      const next = this.#table.endOfContent(block, end);
      if (this.#table.contentOf(block) !== (DATA | HERE)) others.push(...this.#unspared(block, next));
      block = next;
    }
    return this.#clear(others);
  }

  #unspared(first: number, end: number): BlockRange[] {
    const ranges: BlockRange[] = [];
    for (let block = first; block < end; block++) {
      const from = block;
      while (block < end && !this.#isSpared(block)) block++;
      if (block > from) ranges.push({ first: from, end: block });
    }
    return ranges;
  }

  #clear(ranges: readonly BlockRange[]): Promise<void> {
    if (ranges.length === 0) return Promise.resolve();
    this.#punching = [...this.#punching, ...ranges];
    const cleared = this.#punched.then(() => this.#clearAll(ranges));
    this.#punched = cleared.catch(() => undefined);
    return cleared;
  }

  async #clearAll(ranges: readonly BlockRange[]): Promise<void> {
    try {
      for (const { first, end } of ranges) await this.#clearRange(first * BLOCK_BYTES, end * BLOCK_BYTES);
    } finally {
      this.#punching = this.#punching.filter((range) => !ranges.includes(range));
    }
  }

  /** A hole where the file system has holes, else zeros. */
  async #clearRange(start: number, end: number): Promise<void> {
    try {
      await this.#data.punch(start, end - start);
    } catch (error) {
      if (codeOf(error) !== 'EOPNOTSUPP') throw passing(error);
      await this.#fillWithZeros(start, end);
    }
  }

  async #fillWithZeros(start: number, end: number): Promise<void> {
    try {
      for (let at = start; at < end; at += ZEROS.length) {
        await this.#data.write(ZEROS.subarray(0, Math.min(ZEROS.length, end - at)), at);
      }
    } catch (error) {
      throw passing(error);
    }
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

/** A disk without room, even for a hole (ext4 may have to split an extent), is no failure of the store (promise S9). */
function passing(error: unknown): unknown {
  if (!isFull(error)) return error;
  return new OperationError(
    'ENOSPC',
    'the disk of this node has no room to clear blocks that are about to be written',
    {
      remedy: 'Make room on it; nothing that was flushed is lost, and the image goes on by itself.',
      cause: error,
    },
  );
}
