// Which version of each block is the newest known one, its checksum, whether its content is here, and who has it otherwise.
// Typed arrays, no allocation per change; it knows nothing of files and sockets.
import { ZERO_SUM } from './block-checksum.ts';
import { BlockEntries, CONTENT } from './block-entries.ts';
import { epochOf, sequenceOf, type Version, versionHigh, versionLow } from './block-version.ts';
import { EntrySlab } from './entry-slab.ts';
import { GROUP_BLOCKS } from './group-index.ts';
import { byRegion } from './region-order.ts';
import { type BlockRun, countHeld, nextRun } from './run-search.ts';
import { type CaptureOptions, TableCapture } from './table-capture.ts';
import { piecesOf, type TableHead } from './table-file.ts';
import { DATA, HERE, RunWriter, readRuns, type VersionRun } from './version-run.ts';

/** What a table is as a whole: equal for two stores exactly when they hold the same versions. */
export interface TableMark {
  /** The highest sequence given out or heard of. */
  readonly lastSequence: number;
  /** Blocks that were ever written. */
  readonly entries: number;
  readonly digest: string;
}

/** The table of one image of `blocks` blocks. */
export class VersionTable {
  readonly blocks: number;
  lastSequence = 0;
  readonly #entries: BlockEntries;

  constructor(blocks: number, slab = new EntrySlab(blocks)) {
    this.blocks = blocks;
    this.#entries = new BlockEntries(slab);
  }

  get mark(): TableMark {
    const { entries, digest } = this.#entries.census;
    return { lastSequence: this.lastSequence, entries, digest };
  }

  get hasChanges(): boolean {
    return this.#entries.hasChanges;
  }

  /** Blocks for which the table takes memory. */
  get placedBlocks(): number {
    return this.#entries.slab.groups * GROUP_BLOCKS;
  }

  /** What the table takes in a file, its head aside. */
  get restingBytes(): number {
    const { count, bytes } = piecesOf(this.#entries.slab);
    return count * bytes;
  }

  /** `DATA` and `HERE` of one block; 0 is a block never written, `DATA` alone one that must be fetched. */
  contentOf(block: number): number {
    return this.#entries.contentOf(block);
  }

  /** Where the run of blocks with the same `contentOf` as `first` ends, at most at `end`. */
  endOfContent(first: number, end: number): number {
    const content = this.contentOf(first);
    let block = first + 1;
    while (block < end) {
      if (this.contentOf(block) !== content) return block;
      block = content === 0 ? this.#entries.slab.nextPlaced(block + 1, end) : block + 1;
    }
    return end;
  }

  /** Whether any block's content must be fetched. */
  get hasMissing(): boolean {
    return this.#entries.census.elsewhere.size > 0;
  }

  /** Whether every block from `first` to before `end` has its content in the data file. */
  allInFile(first: number, end: number): boolean {
    for (let block = first; block < end; block++) if (this.contentOf(block) !== CONTENT) return false;
    return true;
  }

  /** Whether some block from `first` to before `end` must be fetched before it can be read. */
  someMissing(first: number, end: number): boolean {
    if (this.#entries.census.elsewhere.size === 0) return false;
    for (let block = first; block < end; block++) if (this.contentOf(block) === DATA) return true;
    return false;
  }

  /** Whether the block's newest version is this one: equality, never "at least" (SOUNDNESS A7). */
  equals(block: number, high: number, low: number): boolean {
    return this.#entries.equals(block, high, low);
  }

  /** The block's newest version; zeros for one never written. */
  versionOf(block: number): { readonly high: number; readonly low: number } {
    return this.#entries.versionOf(block);
  }

  /** The epoch that wrote the block's newest version, 0 for one never written. */
  epochAt(block: number): number {
    return epochOf(this.#entries.versionOf(block).high);
  }

  /** The sequence of the block's newest version, 0 for one never written. */
  sequenceAt(block: number): number {
    const { high, low } = this.#entries.versionOf(block);
    return sequenceOf(high, low);
  }

  holderOf(block: number): number {
    return this.#entries.holderOf(block);
  }

  /** The checksum of the block's newest content; 0 for blocks without data. */
  sumOf(block: number): number {
    return this.#entries.sumOf(block);
  }

  /** Whether the table on the disk may not say yet what this one says of the block: nobody may hear of it. */
  isChanged(block: number): boolean {
    return this.#entries.isChanged(block);
  }

  /** A local write: the content of as many blocks as there are checksums is here under a new version. */
  write(first: number, sums: Uint32Array, version: Version): void {
    const high = versionHigh(version);
    const low = versionLow(version);
    for (let index = 0; index < sums.length; index++) {
      this.#entries.set(first + index, high, low, CONTENT, 0, sums[index] ?? 0);
    }
    this.lastSequence = Math.max(this.lastSequence, version.sequence);
  }

  /** A local change to zeros under a new version. */
  zero(first: number, end: number, version: Version): void {
    const high = versionHigh(version);
    const low = versionLow(version);
    for (let block = first; block < end; block++) this.#entries.set(block, high, low, HERE, 0, 0);
    this.lastSequence = Math.max(this.lastSequence, version.sequence);
  }

  /** The contents of the blocks' newest versions have come; the caller has compared versions and checksums. */
  arrived(first: number, end = first + 1): void {
    this.#entries.comeHere(first, end);
  }

  /**
   * What is here is not what the version names (its checksum is wrong): it must be fetched. The disk's table is not told;
   * the next start finds it again.
   */
  spoilt(block: number): void {
    if (this.contentOf(block) === CONTENT) this.#entries.goElsewhere(block);
  }

  /** The content is let go of: who wants it asks the holder (this store's index). Unlike `spoilt`, the disk is told. */
  leave(block: number, holder: number): void {
    if (this.contentOf(block) !== CONTENT) return;
    const { high, low } = this.#entries.versionOf(block);
    this.#entries.set(block, high, low, DATA, holder, this.sumOf(block));
  }

  /**
   * Another store's word on the newest version of blocks: what is here stays usable when the versions are equal, and is
   * forgotten otherwise. `holder`: by this store's index.
   */
  learn(run: VersionRun, holder: number): void {
    const end = run.first + run.count;
    const isNever = run.high === 0 && run.low === 0;
    for (let block = run.first; block < end; block++) {
      if (isNever) block = this.#entries.slab.nextPlaced(block, end);
      if (block < end) this.#learn(block, run, holder, run.sumAt(block - run.first));
    }
  }

  #learn(block: number, { high, low, flags }: VersionRun, holder: number, sum: number): void {
    const content = high === 0 && low === 0 ? 0 : (flags & DATA) === 0 ? HERE : DATA;
    // One version never names two contents: where it seems to, something wrong was told, and what is told last counts.
    const isSame = (this.contentOf(block) & DATA) === (content & DATA) && this.sumOf(block) === sum;
    if (!isSame || !this.equals(block, high, low)) {
      this.#entries.set(block, high, low, content, holder, sum);
    } else if (this.contentOf(block) === DATA && this.holderOf(block) !== holder) {
      this.#entries.set(block, high, low, DATA, holder, sum);
    }
  }

  /** Sets blocks exactly as records of this store say, which are on the disk; later ones count. */
  restore(records: readonly Uint8Array[]): void {
    for (const { run, first, end } of byRegion(records, this.blocks)) {
      const { high, low, flags, holder } = run;
      for (let block = first; block < end; block++) {
        this.#entries.load(block, high, low, flags & CONTENT, holder, run.sumAt(block - run.first));
      }
      this.lastSequence = Math.max(this.lastSequence, sequenceOf(high, low));
    }
  }

  /** The changed entries as runs in block order, for a record; `settle` says what became of it before the next. */
  takeChanges(): Buffer {
    const writer = new RunWriter();
    for (const block of this.#entries.takeChanges()) this.#entries.addTo(writer, block);
    return writer.finish();
  }

  /** What was taken is durable; or is not, and belongs to the next record again, as it is then. */
  settle(taken: Uint8Array, isDurable: boolean): void {
    for (const run of readRuns(taken)) {
      for (let block = run.first; block < run.first + run.count; block++) this.#entries.settle(block, isDurable);
    }
  }

  /**
   * The wanted entries from a block on, as runs in block order, over so many blocks that take memory at most; where they
   * end. The blocks between those that take memory were never written, and are asked for like the others: by their first.
   */
  runs(from: number, placedMax: number, isWanted: (block: number) => boolean): { runs: Buffer; end: number } {
    const writer = new RunWriter();
    const { slab } = this.#entries;
    let left = placedMax;
    let block = from;
    while (block < this.blocks && left > 0) {
      const placed = slab.nextPlaced(block, this.blocks);
      if (placed > block && isWanted(block)) writer.add(block, placed - block, 0, 0, 0, 0, 0);
      block = slab.nextUnplaced(placed, Math.min(placed + left, this.blocks));
      for (let one = placed; one < block; one++) if (isWanted(one)) this.#entries.addTo(writer, one);
      left -= block - placed;
    }
    return { runs: writer.finish(), end: block };
  }

  /** The next blocks at or after `from` (before `end`) that must be fetched and share version and holder. */
  nextMissing(from: number, end: number, countMax: number): BlockRun | undefined {
    return this.hasMissing ? nextRun(this.#entries, DATA, from, end, countMax) : undefined;
  }

  /** As `nextMissing`, of blocks whose data is here; the holder means nothing. */
  nextHeld(from: number, end: number, countMax: number): BlockRun | undefined {
    return nextRun(this.#entries, CONTENT, from, end, countMax);
  }

  /** How many blocks from `first` to before `end` have their data here. */
  countHeld(first: number, end: number): number {
    return countHeld(this.#entries, first, end);
  }

  /**
   * After a stop that may have changed data without a record (SOUNDNESS A3): data that is here among the blocks and has
   * another checksum than the table says gets a new version. `sumOf` reads a block.
   */
  renew(first: number, end: number, version: Version, sumOf: (block: number) => number): void {
    const last = Math.min(end, this.blocks);
    for (let block = first; block < last; block++) {
      if (this.contentOf(block) !== CONTENT) continue;
      const sum = sumOf(block);
      if (sum !== this.sumOf(block)) this.write(block, Uint32Array.of(sum), version);
    }
  }

  /**
   * After a kill of the daemon alone: a block that the table has no data of here, and whose place in the file is neither
   * zeros nor what the table wants to be fetched, was written. `sumOf` as in `renew`.
   */
  adoptWrites(first: number, end: number, version: Version, sumOf: (block: number) => number): void {
    for (let block = first; block < Math.min(end, this.blocks); block++) {
      const content = this.contentOf(block);
      if (content === CONTENT) continue;
      const sum = sumOf(block);
      const isFetched = content === DATA && sum === this.sumOf(block);
      if (sum !== ZERO_SUM && !isFetched) this.write(block, Uint32Array.of(sum), version);
    }
  }

  /** How many blocks have data of their newest version here, and how many at which holder. */
  census(): { local: number; elsewhere: Map<number, number> } {
    return { local: this.#entries.census.local, elsewhere: new Map(this.#entries.census.elsewhere) };
  }

  /** Holds on to the table as it is now, for whoever writes it down; one at a time, until `release`. */
  capture(options: CaptureOptions): TableCapture {
    const { slab, census } = this.#entries;
    const { groups, chunkGroups } = slab;
    const elsewhere = [...census.elsewhere];
    const head = { ...this.mark, local: census.local, elsewhere, blocks: this.blocks, groups, chunkGroups };
    this.#entries.capture = new TableCapture(slab, head, CONTENT, options);
    return this.#entries.capture;
  }

  release(): void {
    this.#entries.capture = undefined;
  }

  /** The table that was read from a file: a slab with all its chunks, and what they add up to. */
  static from(blocks: number, slab: EntrySlab, head: TableHead): VersionTable {
    const table = new VersionTable(blocks, slab);
    table.lastSequence = head.lastSequence;
    table.#entries.census.restore(head);
    return table;
  }
}
