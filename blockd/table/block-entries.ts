// What a table says of each block, and what follows each change of an entry: the sums over the table and the list of
// changes. It knows the fields of an entry, not why they change.
import { ChangedBlocks, isUndurable, setSettled, setTaken } from './changed-blocks.ts';
import type { EntrySlab } from './entry-slab.ts';
import type { TableCapture } from './table-capture.ts';
import { TableCensus } from './table-census.ts';
import { DATA, HERE, type RunWriter } from './version-run.ts';

/** The flags of an entry that mean something outside of its table. */
export const CONTENT = DATA | HERE;

/** The two words of a version. */
export interface VersionWords {
  readonly high: number;
  readonly low: number;
}

/** The entries of one table. A block without one was never written: its version is 0, 0. */
export class BlockEntries {
  readonly slab: EntrySlab;
  readonly census = new TableCensus();
  /** Who is to see an entry before it changes. */
  capture: TableCapture | undefined;
  readonly #changed = new ChangedBlocks();

  constructor(slab: EntrySlab) {
    this.slab = slab;
  }

  get hasChanges(): boolean {
    return this.#changed.count > 0;
  }

  /** `DATA` and `HERE` of one block. */
  contentOf(block: number): number {
    return this.#flagsOf(block) & CONTENT;
  }

  equals(block: number, high: number, low: number): boolean {
    const slot = this.slab.slotOf(block);
    if (slot < 0) return high === 0 && low === 0;
    const chunk = this.slab.chunkOf(slot);
    const at = this.slab.indexOf(slot);
    return chunk.low[at] === low && chunk.high[at] === high;
  }

  versionOf(block: number): VersionWords {
    const slot = this.slab.slotOf(block);
    if (slot < 0) return { high: 0, low: 0 };
    const chunk = this.slab.chunkOf(slot);
    const at = this.slab.indexOf(slot);
    return { high: chunk.high[at] ?? 0, low: chunk.low[at] ?? 0 };
  }

  holderOf(block: number): number {
    const slot = this.slab.slotOf(block);
    return slot < 0 ? 0 : (this.slab.chunkOf(slot).holder[this.slab.indexOf(slot)] ?? 0);
  }

  sumOf(block: number): number {
    const slot = this.slab.slotOf(block);
    return slot < 0 ? 0 : (this.slab.chunkOf(slot).sum[this.slab.indexOf(slot)] ?? 0);
  }

  /** Adds the block's entry to the runs. */
  addTo(writer: RunWriter, block: number): void {
    const slot = this.slab.slotOf(block);
    if (slot < 0) {
      writer.add(block, 1, 0, 0, 0, 0, 0);
      return;
    }
    const { high, low, flags, holder, sum } = this.slab.chunkOf(slot);
    const at = this.slab.indexOf(slot);
    const content = (flags[at] ?? 0) & CONTENT;
    writer.add(block, 1, high[at] ?? 0, low[at] ?? 0, content, holder[at] ?? 0, sum[at] ?? 0);
  }

  /** Whether the disk may not have the block's entry as it is. */
  isChanged(block: number): boolean {
    return isUndurable(this.#flagsOf(block));
  }

  /** Gives a block its entry; `content` is of `CONTENT`. */
  set(block: number, high: number, low: number, content: number, holder: number, sum: number): void {
    this.load(block, high, low, content, holder, sum);
    const slot = this.slab.slotOf(block);
    this.#changed.note(block, this.slab.chunkOf(slot), this.slab.indexOf(slot));
  }

  /** As `set`, of an entry that the disk has. */
  load(block: number, high: number, low: number, content: number, holder: number, sum: number): void {
    const slot = this.slab.makeSlot(block);
    this.capture?.keep(slot);
    const chunk = this.slab.chunkOf(slot);
    const at = this.slab.indexOf(slot);
    this.census.count(block, chunk, at, -1);
    chunk.high[at] = high;
    chunk.low[at] = low;
    chunk.sum[at] = sum;
    chunk.holder[at] = holder;
    chunk.flags[at] = ((chunk.flags[at] ?? 0) & ~CONTENT) | content;
    this.census.count(block, chunk, at, 1);
  }

  /** `HERE` comes to those blocks from `first` to before `end` that are only `DATA`. Neighbours mostly share a holder. */
  comeHere(first: number, end: number): void {
    let holder = 0;
    let count = 0;
    for (let block = first; block < end; block++) {
      const slot = this.slab.slotOf(block);
      if (slot < 0) continue;
      const chunk = this.slab.chunkOf(slot);
      const at = this.slab.indexOf(slot);
      const flags = chunk.flags[at] ?? 0;
      if ((flags & CONTENT) !== DATA) continue;
      this.capture?.keep(slot);
      chunk.flags[at] = flags | HERE;
      this.#changed.note(block, chunk, at);
      const from = chunk.holder[at] ?? 0;
      if (from !== holder && count > 0) {
        this.census.move(holder, count);
        count = 0;
      }
      holder = from;
      count++;
    }
    if (count > 0) this.census.move(holder, count);
  }

  /** `HERE` goes from a block that has both, which is no change for the disk. */
  goElsewhere(block: number): void {
    const slot = this.slab.makeSlot(block);
    this.capture?.keep(slot);
    const chunk = this.slab.chunkOf(slot);
    const at = this.slab.indexOf(slot);
    chunk.flags[at] = (chunk.flags[at] ?? 0) & ~HERE;
    this.census.move(chunk.holder[at] ?? 0, -1);
  }

  /** The blocks whose entries changed since the last call, in order; good until the next change. */
  takeChanges(): Uint32Array {
    const blocks = this.#changed.take();
    for (const block of blocks) {
      const slot = this.slab.makeSlot(block);
      setTaken(this.slab.chunkOf(slot), this.slab.indexOf(slot));
    }
    return blocks;
  }

  /** The record that took the block's entry is durable; or is not, and the entry is a change again, as it is then. */
  settle(block: number, isDurable: boolean): void {
    const slot = this.slab.makeSlot(block);
    const chunk = this.slab.chunkOf(slot);
    const at = this.slab.indexOf(slot);
    setSettled(chunk, at);
    if (!isDurable) this.#changed.note(block, chunk, at);
  }

  #flagsOf(block: number): number {
    const slot = this.slab.slotOf(block);
    return slot < 0 ? 0 : (this.slab.chunkOf(slot).flags[this.slab.indexOf(slot)] ?? 0);
  }
}
