// What a table adds up to, kept with each change: its digest, its entries, and where their contents are. It holds no entry.
import type { EntryChunk } from './entry-slab.ts';
import { TableDigest } from './table-digest.ts';
import type { TableCounts } from './table-file.ts';
import { DATA, HERE } from './version-run.ts';

/** The sums over one table. */
export class TableCensus {
  readonly #digest = new TableDigest();
  readonly #elsewhere = new Map<number, number>();
  #entries = 0;
  #local = 0;

  get digest(): string {
    return this.#digest.hex();
  }

  /** Blocks that were ever written. */
  get entries(): number {
    return this.#entries;
  }

  /** Blocks whose content is here. */
  get local(): number {
    return this.#local;
  }

  /** Blocks that must be fetched, by holder. */
  get elsewhere(): ReadonlyMap<number, number> {
    return this.#elsewhere;
  }

  /** Goes on from the sums that were kept with a table. */
  restore(counts: TableCounts): void {
    this.#digest.restore(counts.digest);
    this.#entries = counts.entries;
    this.#local = counts.local;
    for (const [holder, count] of counts.elsewhere) this.#elsewhere.set(holder, count);
  }

  /** Takes a block's entry in (1) or out (-1); an entry without a version counts nothing. */
  count(block: number, chunk: EntryChunk, at: number, by: 1 | -1): void {
    const high = chunk.high[at] ?? 0;
    const low = chunk.low[at] ?? 0;
    if (high === 0 && low === 0) return;
    const flags = chunk.flags[at] ?? 0;
    const isZero = (flags & DATA) === 0;
    if (by === 1) this.#digest.add(block, high, low, isZero, chunk.sum[at] ?? 0);
    else this.#digest.remove(block, high, low, isZero, chunk.sum[at] ?? 0);
    this.#entries += by;
    if ((flags & HERE) !== 0) this.#local += by;
    else this.#countElsewhere(chunk.holder[at] ?? 0, by);
  }

  /** The content of so many counted blocks comes here, or goes where it is negative; versions stay, and so does the digest. */
  move(holder: number, blocks: number): void {
    this.#local += blocks;
    this.#countElsewhere(holder, -blocks);
  }

  #countElsewhere(holder: number, by: number): void {
    const count = (this.#elsewhere.get(holder) ?? 0) + by;
    if (count === 0) this.#elsewhere.delete(holder);
    else this.#elsewhere.set(holder, count);
  }
}
