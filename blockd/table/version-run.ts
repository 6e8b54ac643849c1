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
}

/** first u32, count u32, high u32, low u32, flags u16, holder u16; big endian. */
export const RUN_BYTES = 20;
/** 1 TiB: the table of such an image takes 3 GB of memory where every part of it is written. */
export const BLOCKS_MAX = 2 ** 28;

/** Collects runs and joins neighbours that say the same. */
export class RunWriter {
  #bytes: Buffer;
  #view: DataView;
  #length = 0;
  #open: { first: number; count: number; high: number; low: number; flags: number; holder: number } | undefined;

  constructor(expectedRuns = 64) {
    this.#bytes = Buffer.allocUnsafeSlow(expectedRuns * RUN_BYTES);
    this.#view = viewOf(this.#bytes);
  }

  add(first: number, count: number, high: number, low: number, flags: number, holder: number): void {
    const open = this.#open;
    if (
      open !== undefined &&
      open.first + open.count === first &&
      open.low === low &&
      open.high === high &&
      open.flags === flags &&
      open.holder === holder
    ) {
      open.count += count;
      return;
    }
    this.#close();
    this.#open = { first, count, high, low, flags, holder };
  }

  /** All runs so far; the writer is empty afterwards. */
  finish(): Buffer {
    this.#close();
    this.#open = undefined;
    const bytes = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return bytes;
  }

  #close(): void {
    if (this.#open === undefined) return;
    if (this.#length + RUN_BYTES > this.#bytes.length) this.#grow();
    const at = this.#length;
    this.#view.setUint32(at, this.#open.first);
    this.#view.setUint32(at + 4, this.#open.count);
    this.#view.setUint32(at + 8, this.#open.high);
    this.#view.setUint32(at + 12, this.#open.low);
    this.#view.setUint16(at + 16, this.#open.flags);
    this.#view.setUint16(at + 18, this.#open.holder);
    this.#length += RUN_BYTES;
  }

  #grow(): void {
    const larger = Buffer.allocUnsafeSlow(this.#bytes.length * 2);
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
    this.#view = viewOf(larger);
  }
}

/** Whether the bytes are whole runs that lie within an image of so many blocks. */
export function runsAreSound(bytes: Uint8Array, blocks: number): boolean {
  if (bytes.length % RUN_BYTES !== 0) return false;
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length; at += RUN_BYTES) {
    const count = view.getUint32(at + 4);
    if (count === 0 || view.getUint32(at) + count > blocks) return false;
  }
  return true;
}

/** Reads runs that `runsAreSound` accepted. */
export function* readRuns(bytes: Uint8Array): Generator<VersionRun> {
  const view = viewOf(bytes);
  for (let at = 0; at + RUN_BYTES <= bytes.length; at += RUN_BYTES) {
    yield {
      first: view.getUint32(at),
      count: view.getUint32(at + 4),
      high: view.getUint32(at + 8),
      low: view.getUint32(at + 12),
      flags: view.getUint16(at + 16),
      holder: view.getUint16(at + 18),
    };
  }
}

/** How many blocks an image of this many bytes has. */
export function blocksOf(bytes: number): number {
  return bytes / BLOCK_BYTES;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
