// A guest's page cache (or a database's buffers) before its disk: what is read again soon never reaches the disk, what is
// written reaches it late and once. Second chance, as a clock; time is handed in.
import type { Trace } from './propagation-trace.ts';

const ABSENT = -1;

/** Pages of `pageBlocks` blocks in so many frames; a page that was written goes to the disk after `writeBackMs`. */
export class GuestCache {
  readonly #trace: Trace;
  readonly #pageBlocks: number;
  readonly #writeBackMs: number;
  readonly #frameOf: Int32Array;
  readonly #pages: Int32Array;
  readonly #wasUsed: Uint8Array;
  readonly #isDirty: Uint8Array;
  #hand = 0;
  /** Pages in the order in which they were written first. */
  #dirty: { page: number; sinceMs: number }[] = [];
  #dirtyAt = 0;

  constructor(trace: Trace, frames: number, pageBlocks: number, writeBackMs: number) {
    this.#trace = trace;
    this.#pageBlocks = pageBlocks;
    this.#writeBackMs = writeBackMs;
    this.#frameOf = new Int32Array(Math.ceil(trace.blocks / pageBlocks)).fill(ABSENT);
    this.#pages = new Int32Array(frames).fill(ABSENT);
    this.#wasUsed = new Uint8Array(frames);
    this.#isDirty = new Uint8Array(frames);
  }

  read(atMs: number, page: number): void {
    this.#use(atMs, page, true);
  }

  /** `isWhole`: all of the page is new, so that it need not be read. */
  write(atMs: number, page: number, isWhole: boolean): void {
    const frame = this.#use(atMs, page, !isWhole);
    if (this.#isDirty[frame] === 1) return;
    this.#isDirty[frame] = 1;
    this.#dirty.push({ page, sinceMs: atMs });
  }

  /** Writes back what has been dirty for its time. */
  tick(atMs: number): void {
    for (; this.#dirtyAt < this.#dirty.length; this.#dirtyAt++) {
      const { page = 0, sinceMs = 0 } = this.#dirty[this.#dirtyAt] ?? {};
      if (sinceMs + this.#writeBackMs > atMs) break;
      const frame = this.#frameOf[page] ?? ABSENT;
      if (frame !== ABSENT) this.#clean(atMs, frame);
    }
    if (this.#dirtyAt < 10_000) return;
    this.#dirty = this.#dirty.slice(this.#dirtyAt);
    this.#dirtyAt = 0;
  }

  #use(atMs: number, page: number, isRead: boolean): number {
    const known = this.#frameOf[page] ?? ABSENT;
    if (known !== ABSENT) {
      this.#wasUsed[known] = 1;
      return known;
    }
    if (isRead) this.#trace.add(atMs, page * this.#pageBlocks, this.#pageBlocks, false);
    const frame = this.#evict(atMs);
    this.#pages[frame] = page;
    this.#frameOf[page] = frame;
    this.#wasUsed[frame] = 0;
    return frame;
  }

  #evict(atMs: number): number {
    for (;;) {
      const frame = this.#hand;
      this.#hand = (this.#hand + 1) % this.#pages.length;
      const page = this.#pages[frame] ?? ABSENT;
      if (page === ABSENT) return frame;
      if (this.#wasUsed[frame] === 1) {
        this.#wasUsed[frame] = 0;
        continue;
      }
      this.#clean(atMs, frame);
      this.#frameOf[page] = ABSENT;
      return frame;
    }
  }

  #clean(atMs: number, frame: number): void {
    if (this.#isDirty[frame] !== 1) return;
    this.#isDirty[frame] = 0;
    this.#trace.add(atMs, (this.#pages[frame] ?? 0) * this.#pageBlocks, this.#pageBlocks, true);
  }
}
