// The blocks' contents of one image on this node's disk. Nothing is given out of it that is not what the table's version
// names (promise S5); it gives no version itself and makes nothing durable.
import type { DiskFile } from '../../common/disk/disk.ts';
import { codeOf } from '../../common/errors.ts';
import { checksumAt, checksumOf, ZERO_SUM } from '../table/block-checksum.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA } from '../table/version-run.ts';
import type { VersionTable } from '../table/version-table.ts';
import { RegionUse } from './region-use.ts';

/** The data file of one image, beside its table. */
export class BlockFile {
  readonly #file: DiskFile;
  readonly #table: VersionTable;
  readonly use: RegionUse;
  readonly #noteSpoilt: (block: number) => void;
  #spoiltBlocks = 0;

  /** `noteSpoilt` hears of each block that is taken for missing from then on. */
  constructor(file: DiskFile, table: VersionTable, noteSpoilt: (block: number) => void) {
    this.#file = file;
    this.#table = table;
    this.#noteSpoilt = noteSpoilt;
    this.use = new RegionUse(table.blocks);
  }

  /** Blocks that were found not to be what their versions name, or not to be readable, since the start. */
  get spoiltBlocks(): number {
    return this.#spoiltBlocks;
  }

  /** Of the file, -1 where it is none of the kernel's. */
  get descriptor(): number {
    return this.#file.descriptor ?? -1;
  }

  /** Whether whole blocks' bytes are what the table says of the blocks from `first` on. Nothing follows from it if not. */
  isNamed(blocks: Uint8Array, first: number): boolean {
    for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
      if (checksumAt(blocks, at) !== this.#table.sumOf(first + at / BLOCK_BYTES)) return false;
    }
    return true;
  }

  /**
   * Fills the buffer from blocks whose data is here. False, and the buffer's content means nothing: when a block is not what
   * its version names, which the table takes for missing from then on; or, unless `mayWait`, when the disk would have to be
   * waited for (`warm`), and then nothing was judged.
   */
  read(into: Uint8Array, offset: number, mayWait = true): boolean {
    const first = Math.floor(offset / BLOCK_BYTES);
    const end = Math.ceil((offset + into.length) / BLOCK_BYTES);
    this.use.note(first, end);
    const isWhole = into.length === (end - first) * BLOCK_BYTES;
    const blocks = isWhole ? into : Buffer.allocUnsafe((end - first) * BLOCK_BYTES);
    if (!this.#readRaw(blocks, first * BLOCK_BYTES, mayWait) || !this.#areSound(blocks, first)) return false;
    const start = offset - first * BLOCK_BYTES;
    if (!isWhole) into.set(blocks.subarray(start, start + into.length));
    return true;
  }

  /** Brings what the file has of the blocks into the page cache; what the disk cannot read is missing from then on. */
  async warm(first: number, end: number): Promise<void> {
    for (let block = first; block < end; ) {
      const next = this.#table.endOfContent(block, end);
      if (this.#table.allInFile(block, block + 1)) await this.#warm(block, next);
      block = next;
    }
  }

  async #warm(first: number, end: number): Promise<void> {
    try {
      await this.#file.warm(first * BLOCK_BYTES, (end - first) * BLOCK_BYTES);
    } catch (error) {
      const middle = this.#middleOf(error, first, end);
      if (middle === undefined) return;
      await this.#warm(first, middle);
      await this.#warm(middle, end);
    }
  }

  /** Whether the block's data is what its version names; if not, it is missing from then on. */
  isSound(block: number): boolean {
    return this.read(Buffer.allocUnsafe(BLOCK_BYTES), block * BLOCK_BYTES);
  }

  /**
   * Reads a range without holding anything up and answers the blocks that are not what their versions name, or that the
   * disk cannot read; they are missing from then on. What is written meanwhile is not judged by what was read before.
   */
  async findSpoilt(first: number, end: number): Promise<number[]> {
    const data = Buffer.alloc((end - first) * BLOCK_BYTES);
    try {
      await this.#file.read(data, first * BLOCK_BYTES);
    } catch (error) {
      const wasHere = this.#table.allInFile(first, end);
      const middle = this.#middleOf(error, first, end);
      if (middle === undefined) return wasHere && !this.#table.allInFile(first, end) ? [first] : [];
      return [...(await this.findSpoilt(first, middle)), ...(await this.findSpoilt(middle, end))];
    }
    const isSuspect = (block: number): boolean => {
      const at = (block - first) * BLOCK_BYTES;
      return checksumAt(data, at) !== this.#table.sumOf(block);
    };
    const blocks = Array.from({ length: end - first }, (_, index) => first + index);
    return blocks.filter((one) => this.#table.allInFile(one, one + 1) && isSuspect(one) && !this.isSound(one));
  }

  /** The checksum of what the file has of a block, whatever the table says; where it cannot be read, as if unchanged. */
  sumOf(block: number): number {
    const data = Buffer.allocUnsafe(BLOCK_BYTES);
    if (this.#readRaw(data, block * BLOCK_BYTES, true)) return checksumOf(data);
    return (this.#table.contentOf(block) & DATA) === 0 ? ZERO_SUM : this.#table.sumOf(block);
  }

  /** As `sumOf` of each, without holding anything up; undefined where it cannot be read. */
  async sumsOf(first: number, end: number): Promise<(number | undefined)[]> {
    const data = Buffer.alloc((end - first) * BLOCK_BYTES);
    try {
      await this.#file.read(data, first * BLOCK_BYTES);
    } catch (error) {
      if (codeOf(error) !== 'EIO') throw error;
      if (end - first === 1) return [undefined];
      const middle = Math.floor((first + end) / 2);
      return [...(await this.sumsOf(first, middle)), ...(await this.sumsOf(middle, end))];
    }
    return Array.from({ length: end - first }, (_, index) => checksumAt(data, index * BLOCK_BYTES));
  }

  /**
   * Writes into the page cache and answers the checksums of the blocks it touches. The caller has touched the extents and
   * gives the blocks their version.
   */
  write(data: Uint8Array, offset: number): Uint32Array {
    this.#file.writeSync(data, offset);
    const first = Math.floor(offset / BLOCK_BYTES);
    const sums = new Uint32Array(Math.ceil((offset + data.length) / BLOCK_BYTES) - first);
    for (let index = 0; index < sums.length; index++) {
      const start = (first + index) * BLOCK_BYTES - offset;
      const isWhole = start >= 0 && start + BLOCK_BYTES <= data.length;
      sums[index] = isWhole ? checksumAt(data, start) : this.sumOf(first + index);
    }
    return sums;
  }

  /** Writes what has come of versions that the table has; the caller has compared their checksums. */
  install(data: Uint8Array, offset: number): void {
    this.#file.writeSync(data, offset);
    this.use.note(offset / BLOCK_BYTES, (offset + data.length) / BLOCK_BYTES);
  }

  /** Takes room for the blocks, whose content stays what it is. @throws Error of the disk (`ENOSPC`) */
  allocate(first: number, end: number): Promise<void> {
    return this.#file.allocate(first * BLOCK_BYTES, (end - first) * BLOCK_BYTES);
  }

  /** Whole blocks. False when the disk would have to be waited for, and may not be, or cannot read some of them. */
  #readRaw(into: Uint8Array, offset: number, mayWait: boolean): boolean {
    try {
      const had = mayWait ? this.#file.readSync(into, offset) : this.#file.tryReadSync(into, offset);
      if (had !== undefined && had < into.length) into.fill(0, had);
      return had !== undefined;
    } catch (error) {
      const first = offset / BLOCK_BYTES;
      const middle = this.#middleOf(error, first, first + into.length / BLOCK_BYTES);
      if (middle === undefined) return false;
      const cut = (middle - first) * BLOCK_BYTES;
      const isFirstRead = this.#readRaw(into.subarray(0, cut), offset, mayWait);
      return this.#readRaw(into.subarray(cut), offset + cut, mayWait) && isFirstRead;
    }
  }

  /**
   * Of blocks that the disk cannot read (EIO), where to cut them to find which; a single one is taken for spoilt, unless
   * it was written meanwhile. @throws any other error
   */
  #middleOf(error: unknown, first: number, end: number): number | undefined {
    if (codeOf(error) !== 'EIO') throw error;
    if (end - first > 1) return Math.floor((first + end) / 2);
    if (this.#table.allInFile(first, end) && !this.#isCached(first)) this.#spoil(first);
    return undefined;
  }

  #isCached(block: number): boolean {
    try {
      return this.#file.tryReadSync(Buffer.allocUnsafe(BLOCK_BYTES), block * BLOCK_BYTES) !== undefined;
    } catch {
      return false;
    }
  }

  #spoil(block: number): void {
    this.#table.spoilt(block);
    this.#spoiltBlocks++;
    this.#noteSpoilt(block);
  }

  #areSound(blocks: Uint8Array, first: number): boolean {
    let areAll = true;
    for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
      const block = first + at / BLOCK_BYTES;
      if (checksumAt(blocks, at) === this.#table.sumOf(block)) continue;
      this.#spoil(block);
      areAll = false;
    }
    return areAll;
  }
}
