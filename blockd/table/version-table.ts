// Which version of each block is the newest known one, whether its content is here, and who has it otherwise. Typed
// arrays, no allocation per change; it knows nothing of files and sockets.
import { epochOf, sequenceOf, type Version, versionHigh, versionLow } from './block-version.ts';
import { TableDigest } from './table-digest.ts';
import { DATA, HERE, RunWriter, readRuns } from './version-run.ts';

/** Changed since the last `takeChanges`; never leaves this room, as the next one. */
const CHANGED = 4;
/** Taken, and not settled yet: its record is on its way to the disk. */
const TAKEN = 8;
const CONTENT = DATA | HERE;

/** high u32, low u32, holder u16, flags u8 per block, each as one array: the resting form. */
export const ENTRY_BYTES = 11;

/** What a table is as a whole: equal for two stores exactly when they hold the same versions. */
export interface TableMark {
  /** The highest sequence given out or heard of. */
  readonly lastSequence: number;
  /** Blocks that were ever written. */
  readonly entries: number;
  readonly digest: string;
}

/** A run of blocks whose newest content is elsewhere. */
export interface MissingRun {
  readonly first: number;
  readonly count: number;
  readonly high: number;
  readonly low: number;
  readonly holder: number;
}

/** The table of one image of `blocks` blocks. */
export class VersionTable {
  readonly blocks: number;
  lastSequence = 0;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #holder: Uint16Array;
  readonly #flags: Uint8Array;
  readonly #digest = new TableDigest();
  #entries = 0;
  #changed = new Uint32Array(256);
  #changedCount = 0;

  constructor(blocks: number) {
    this.blocks = blocks;
    this.#high = new Uint32Array(blocks);
    this.#low = new Uint32Array(blocks);
    this.#holder = new Uint16Array(blocks);
    this.#flags = new Uint8Array(blocks);
  }

  get mark(): TableMark {
    return { lastSequence: this.lastSequence, entries: this.#entries, digest: this.#digest.hex() };
  }

  get hasChanges(): boolean {
    return this.#changedCount > 0;
  }

  /** `DATA` and `HERE` of one block; 0 is a block never written, `DATA` alone one that must be fetched. */
  contentOf(block: number): number {
    return (this.#flags[block] ?? 0) & CONTENT;
  }

  /** Where the run of blocks with the same `contentOf` as `first` ends, at most at `end`. */
  endOfContent(first: number, end: number): number {
    const content = this.contentOf(first);
    let block = first + 1;
    while (block < end && this.contentOf(block) === content) block++;
    return block;
  }

  /** Whether every block from `first` to before `end` has its content in the data file. */
  allInFile(first: number, end: number): boolean {
    for (let block = first; block < end; block++) if (((this.#flags[block] ?? 0) & CONTENT) !== CONTENT) return false;
    return true;
  }

  /** Whether some block from `first` to before `end` must be fetched before it can be read. */
  someMissing(first: number, end: number): boolean {
    for (let block = first; block < end; block++) if (((this.#flags[block] ?? 0) & CONTENT) === DATA) return true;
    return false;
  }

  /** Whether the block's newest version is this one: equality, never "at least" (SOUNDNESS A7). */
  equals(block: number, high: number, low: number): boolean {
    return this.#low[block] === low && this.#high[block] === high;
  }

  holderOf(block: number): number {
    return this.#holder[block] ?? 0;
  }

  /** Whether the table on the disk may not say yet what this one says of the block: nobody may hear of it. */
  isChanged(block: number): boolean {
    return ((this.#flags[block] ?? 0) & (CHANGED | TAKEN)) !== 0;
  }

  /** A local write: the blocks' content is here under a new version (`data` false: they are zeros). */
  write(first: number, end: number, version: Version, data: boolean): void {
    const high = versionHigh(version);
    const low = versionLow(version);
    for (let block = first; block < end; block++) this.#set(block, high, low, data ? CONTENT : HERE, 0);
    this.lastSequence = Math.max(this.lastSequence, version.sequence);
  }

  /** The content of the block's newest version has come; the caller has compared the version. */
  arrived(block: number): void {
    this.#flags[block] = (this.#flags[block] ?? 0) | HERE;
    this.#noteChange(block);
  }

  /**
   * Another store's word on the newest version of a block: what is here stays usable when the versions are equal,
   * and is forgotten otherwise.
   */
  learn(block: number, high: number, low: number, data: boolean, holder: number): void {
    if (!this.equals(block, high, low)) {
      const never = high === 0 && low === 0;
      this.#set(block, high, low, never ? 0 : data ? DATA : HERE, holder);
    } else if (this.contentOf(block) === DATA && this.#holder[block] !== holder) {
      this.#holder[block] = holder;
      this.#noteChange(block);
    }
  }

  /** Sets blocks exactly as a record of this store says. */
  restore(bytes: Uint8Array): void {
    for (const run of readRuns(bytes)) {
      for (let block = run.first; block < run.first + run.count; block++) {
        this.#set(block, run.high, run.low, run.flags & CONTENT, run.holder);
      }
      this.lastSequence = Math.max(this.lastSequence, sequenceOf(run.high, run.low));
    }
    this.#forgetChanges();
  }

  /** The changed entries as runs in block order, for a record; `settle` says what became of it before the next. */
  takeChanges(): Buffer {
    const changed = this.#changed.subarray(0, this.#changedCount).sort();
    const writer = new RunWriter();
    for (const block of changed) {
      this.#addTo(writer, block);
      this.#flags[block] = this.contentOf(block) | TAKEN;
    }
    this.#changedCount = 0;
    return writer.finish();
  }

  /** What was taken is durable; or is not, and belongs to the next record again, as it is then. */
  settle(taken: Uint8Array, isDurable: boolean): void {
    for (const run of readRuns(taken)) {
      for (let block = run.first; block < run.first + run.count; block++) {
        this.#flags[block] = (this.#flags[block] ?? 0) & ~TAKEN;
        if (!isDurable) this.#noteChange(block);
      }
    }
  }

  /**
   * The whole table as runs in block order, blocks never written included; or, after a sequence, only what was
   * written later (sequences count over all blocks and epochs of an image).
   */
  runs(afterSequence?: number): Buffer {
    const writer = new RunWriter();
    for (let block = 0; block < this.blocks; block++) {
      const sequence = sequenceOf(this.#high[block] ?? 0, this.#low[block] ?? 0);
      if (afterSequence === undefined || sequence > afterSequence) this.#addTo(writer, block);
    }
    return writer.finish();
  }

  /** The next blocks at or after `from` (before `end`) that must be fetched and share version and holder. */
  nextMissing(from: number, end: number, countMax: number): MissingRun | undefined {
    let first = from;
    while (first < end && this.contentOf(first) !== DATA) first++;
    if (first >= end) return undefined;
    const high = this.#high[first] ?? 0;
    const low = this.#low[first] ?? 0;
    const holder = this.holderOf(first);
    const limit = Math.min(end, first + countMax);
    let block = first + 1;
    while (
      block < limit &&
      this.contentOf(block) === DATA &&
      this.equals(block, high, low) &&
      this.holderOf(block) === holder
    )
      block++;
    return { first, count: block - first, high, low, holder };
  }

  /** Gives new versions to all data that is here among the blocks: after a stop that may have changed it (A3). */
  renew(first: number, end: number, version: Version): void {
    for (let block = first; block < Math.min(end, this.blocks); block++) {
      if (this.contentOf(block) === CONTENT) this.write(block, block + 1, version, true);
    }
  }

  /** How many blocks have data of their newest version here, and how many at which holder. */
  census(): { local: number; elsewhere: Map<number, number> } {
    let local = 0;
    const elsewhere = new Map<number, number>();
    for (let block = 0; block < this.blocks; block++) {
      const content = this.contentOf(block);
      if ((content & HERE) !== 0) local++;
      if (content !== DATA) continue;
      const holder = this.holderOf(block);
      elsewhere.set(holder, (elsewhere.get(holder) ?? 0) + 1);
    }
    return { local, elsewhere };
  }

  /** A copy in the resting form, and back. */
  toBytes(): Buffer {
    const flags = this.#flags.map((value) => value & CONTENT);
    return Buffer.concat([this.#high, this.#low, this.#holder, flags].map(bytesOf));
  }

  static fromBytes(blocks: number, bytes: Uint8Array): VersionTable {
    const table = new VersionTable(blocks);
    let at = 0;
    for (const array of [table.#high, table.#low, table.#holder, table.#flags]) {
      bytesOf(array).set(bytes.subarray(at, at + array.byteLength));
      at += array.byteLength;
    }
    for (let block = 0; block < blocks; block++) table.#count(block);
    return table;
  }

  #set(block: number, high: number, low: number, content: number, holder: number): void {
    const oldHigh = this.#high[block] ?? 0;
    const oldLow = this.#low[block] ?? 0;
    if (oldHigh !== 0 || oldLow !== 0) {
      this.#digest.remove(block, oldHigh, oldLow, (this.contentOf(block) & DATA) === 0);
      this.#entries--;
    }
    this.#high[block] = high;
    this.#low[block] = low;
    this.#holder[block] = holder;
    this.#flags[block] = ((this.#flags[block] ?? 0) & ~CONTENT) | content;
    if (high !== 0 || low !== 0) {
      this.#digest.add(block, high, low, (content & DATA) === 0);
      this.#entries++;
    }
    this.#noteChange(block);
  }

  #count(block: number): void {
    const high = this.#high[block] ?? 0;
    const low = this.#low[block] ?? 0;
    if (high === 0 && low === 0) return;
    this.#digest.add(block, high, low, (this.contentOf(block) & DATA) === 0);
    this.#entries++;
    this.lastSequence = Math.max(this.lastSequence, sequenceOf(high, low));
  }

  #addTo(writer: RunWriter, block: number): void {
    const high = this.#high[block] ?? 0;
    writer.add(block, 1, high, this.#low[block] ?? 0, this.contentOf(block), this.holderOf(block));
  }

  #noteChange(block: number): void {
    const flags = this.#flags[block] ?? 0;
    if ((flags & CHANGED) !== 0) return;
    this.#flags[block] = flags | CHANGED;
    if (this.#changedCount === this.#changed.length) {
      const larger = new Uint32Array(this.#changed.length * 2);
      larger.set(this.#changed);
      this.#changed = larger;
    }
    this.#changed[this.#changedCount++] = block;
  }

  #forgetChanges(): void {
    for (let index = 0; index < this.#changedCount; index++) {
      const block = this.#changed[index] ?? 0;
      this.#flags[block] = (this.#flags[block] ?? 0) & CONTENT;
    }
    this.#changedCount = 0;
  }
}

/** Whether a version belongs to an epoch that is known to have ended before it: a tail (SOUNDNESS A7). */
export function isTail(high: number, low: number, ends: readonly { epoch: number; lastSequence: number }[]): boolean {
  const end = ends.find((candidate) => candidate.epoch === epochOf(high));
  return end !== undefined && sequenceOf(high, low) > end.lastSequence;
}

function bytesOf(array: Uint32Array | Uint16Array | Uint8Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
