// Runs of blocks that share one version, as bytes: what the journal keeps and what followers receive. A codec: bytes
// in, runs out; it opens nothing.
import { BLOCK_BYTES } from './block-version.ts';

/** A block whose content is not zeros: it is in the data file or must be fetched. */
export const DATA = 1;
/** The content of this version is at this store. */
export const HERE = 2;

/** `count` blocks from `first` with one version. */
export interface VersionRun {
  readonly first: number;
  readonly count: number;
  readonly high: number;
  readonly low: number;
  /** `DATA` and `HERE`, of the store that wrote the run. */
  readonly flags: number;
  /** Index of the node that has the content, in that store's list of holders. */
  readonly holder: number;
  /** The checksum of one of the blocks, by its place in the run; 0 for blocks without data. */
  readonly sumAt: (index: number) => number;
}

/** first u32, count u32, high u32, low u32, flags u16, holder u16, then a checksum u32 per block with data; big endian. */
const RUN_HEADER_BYTES = 20;
const SUM_BYTES = 4;
/** Blocks of one run with data: no run is larger than a frame between stores, and a table's are cut here. */
const DATA_RUN_BLOCKS_MAX = 4_096;
/** 1 TiB: the table of such an image takes 4 GB of memory where every part of it is written. */
export const BLOCKS_MAX = 2 ** 28;

/** Collects blocks and joins neighbours that say the same. */
export class RunWriter {
  #bytes: Buffer;
  #length = 0;
  /** Where the run that may still grow begins; -1 while there is none. */
  #open = -1;
  // The open run: read for every block, written to the bytes when it is over.
  #next = 0;
  #count = 0;
  #high = 0;
  #low = 0;
  #flags = 0;
  #holder = 0;

  constructor(expectedRuns = 64) {
    this.#bytes = Buffer.allocUnsafeSlow(expectedRuns * (RUN_HEADER_BYTES + SUM_BYTES));
  }

  /** One block with data, or several without (`sum` is ignored then). */
  add(first: number, count: number, high: number, low: number, flags: number, holder: number, sum: number): void {
    if (!this.#continues(first, high, low, flags, holder)) this.#begin(first, high, low, flags, holder);
    if ((flags & DATA) !== 0) this.#put(sum);
    this.#next = first + count;
    this.#count += count;
  }

  /** All runs so far; the writer is empty afterwards. */
  finish(): Buffer {
    this.#end();
    const bytes = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return bytes;
  }

  #continues(first: number, high: number, low: number, flags: number, holder: number): boolean {
    return (
      this.#open >= 0 &&
      this.#next === first &&
      this.#low === low &&
      this.#high === high &&
      this.#flags === flags &&
      this.#holder === holder &&
      ((flags & DATA) === 0 || this.#count < DATA_RUN_BLOCKS_MAX)
    );
  }

  #begin(first: number, high: number, low: number, flags: number, holder: number): void {
    this.#end();
    this.#makeRoom(RUN_HEADER_BYTES);
    const at = this.#length;
    this.#bytes.writeUInt32BE(first, at);
    this.#bytes.writeUInt32BE(high, at + 8);
    this.#bytes.writeUInt32BE(low, at + 12);
    this.#bytes.writeUInt16BE(flags, at + 16);
    this.#bytes.writeUInt16BE(holder, at + 18);
    this.#open = at;
    this.#count = 0;
    this.#high = high;
    this.#low = low;
    this.#flags = flags;
    this.#holder = holder;
    this.#length += RUN_HEADER_BYTES;
  }

  #end(): void {
    if (this.#open >= 0) this.#bytes.writeUInt32BE(this.#count, this.#open + 4);
    this.#open = -1;
  }

  #put(sum: number): void {
    this.#makeRoom(SUM_BYTES);
    this.#bytes.writeUInt32BE(sum, this.#length);
    this.#length += SUM_BYTES;
  }

  #makeRoom(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(this.#bytes.length * 2 + bytes);
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Whether the bytes are whole runs that lie within an image of so many blocks. */
export function runsAreSound(bytes: Uint8Array, blocks: number): boolean {
  const view = viewOf(bytes);
  let at = 0;
  while (at + RUN_HEADER_BYTES <= bytes.length) {
    const count = view.getUint32(at + 4);
    if (count === 0 || view.getUint32(at) + count > blocks) return false;
    at += runBytes(view, at);
  }
  return at === bytes.length;
}

/** Reads runs that `runsAreSound` accepted. */
export function* readRuns(bytes: Uint8Array): Generator<VersionRun> {
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length; at += runBytes(view, at)) yield readRunAt(view, at);
}

/** The run that begins there. */
export function readRunAt(view: DataView, at: number): VersionRun {
  const flags = view.getUint16(at + 16);
  const sums = at + RUN_HEADER_BYTES;
  return {
    first: view.getUint32(at),
    count: view.getUint32(at + 4),
    high: view.getUint32(at + 8),
    low: view.getUint32(at + 12),
    flags,
    holder: view.getUint16(at + 18),
    sumAt: (index) => ((flags & DATA) === 0 ? 0 : view.getUint32(sums + index * SUM_BYTES)),
  };
}

/** Cuts runs that are sound into parts of at most so many bytes, each of whole runs (one run takes 16.5 KB at most). */
export function* partsOfRuns(bytes: Buffer, bytesMax: number): Generator<Buffer> {
  const view = viewOf(bytes);
  let start = 0;
  let end = 0;
  while (end < bytes.length) {
    const next = end + runBytes(view, end);
    if (next - start > bytesMax && end > start) {
      yield bytes.subarray(start, end);
      start = end;
    }
    end = next;
  }
  if (end > start) yield bytes.subarray(start, end);
}

/** The bytes of the run that begins there. */
export function runBytes(view: DataView, at: number): number {
  const hasData = (view.getUint16(at + 16) & DATA) !== 0;
  return RUN_HEADER_BYTES + (hasData ? view.getUint32(at + 4) * SUM_BYTES : 0);
}

/** How many blocks an image of this many bytes has. */
export function blocksOf(bytes: number): number {
  return bytes / BLOCK_BYTES;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
