// The blocks' contents of one image on this node's disk. Nothing is given out of it that is not what the table's version
// names (promise S5); it gives no version itself and makes nothing durable.
import type { DiskFile } from '../../common/disk.ts';
import { checksumOf } from '../table/block-checksum.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import type { VersionTable } from '../table/version-table.ts';
import { RegionUse } from './region-use.ts';

/** The data file of one image, beside its table. */
export class BlockFile {
  readonly #file: DiskFile;
  readonly #table: VersionTable;
  readonly use: RegionUse;
  #spoiltBlocks = 0;

  constructor(file: DiskFile, table: VersionTable) {
    this.#file = file;
    this.#table = table;
    this.use = new RegionUse(table.blocks);
  }

  /** Blocks that were found not to be what their versions name, since the start. */
  get spoiltBlocks(): number {
    return this.#spoiltBlocks;
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

  /** Brings what the file has of the blocks into the page cache. @throws Error of the disk (`EIO`) */
  async warm(first: number, end: number): Promise<void> {
    for (let block = first; block < end; ) {
      const next = this.#table.endOfContent(block, end);
      if (this.#table.allInFile(block, block + 1)) {
        await this.#file.warm(block * BLOCK_BYTES, (next - block) * BLOCK_BYTES);
      }
      block = next;
    }
  }

  /** Whether the block's data is what its version names; if not, it is missing from then on. */
  isSound(block: number): boolean {
    return this.read(Buffer.allocUnsafe(BLOCK_BYTES), block * BLOCK_BYTES);
  }

  /**
   * Reads a range without holding anything up and answers the blocks that are not what their versions name; they are
   * missing from then on. What is written meanwhile is not judged by what was read before.
   */
  async findSpoilt(first: number, end: number): Promise<number[]> {
    const data = Buffer.alloc((end - first) * BLOCK_BYTES);
    await this.#file.read(data, first * BLOCK_BYTES);
    const isSuspect = (block: number): boolean => {
      const at = (block - first) * BLOCK_BYTES;
      return checksumOf(data.subarray(at, at + BLOCK_BYTES)) !== this.#table.sumOf(block);
    };
    const blocks = Array.from({ length: end - first }, (_, index) => first + index);
    return blocks.filter((one) => this.#table.allInFile(one, one + 1) && isSuspect(one) && !this.isSound(one));
  }

  /** The checksum of what the file has of a block, whatever the table says. */
  sumOf(block: number): number {
    const data = Buffer.allocUnsafe(BLOCK_BYTES);
    this.#readRaw(data, block * BLOCK_BYTES, true);
    return checksumOf(data);
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
      sums[index] = isWhole ? checksumOf(data.subarray(start, start + BLOCK_BYTES)) : this.sumOf(first + index);
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

  /** False when the disk would have to be waited for, and may not be. */
  #readRaw(into: Uint8Array, offset: number, mayWait: boolean): boolean {
    const had = mayWait ? this.#file.readSync(into, offset) : this.#file.tryReadSync(into, offset);
    if (had !== undefined && had < into.length) into.fill(0, had);
    return had !== undefined;
  }

  #areSound(blocks: Uint8Array, first: number): boolean {
    let areAll = true;
    for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
      const block = first + at / BLOCK_BYTES;
      const one = blocks.length === BLOCK_BYTES ? blocks : blocks.subarray(at, at + BLOCK_BYTES);
      if (checksumOf(one) === this.#table.sumOf(block)) continue;
      this.#table.spoilt(block);
      this.#spoiltBlocks++;
      areAll = false;
    }
    return areAll;
  }
}
