// Which entries of a table the disk does not have yet: changed since the last record, or in a record on its way. Two flags
// of an entry that never leave the table, and a list, so that taking the changes looks at nothing else.
import type { EntryChunk } from './entry-slab.ts';

/** Changed since the last `take`. */
const CHANGED = 4;
/** Taken, and not settled yet: its record is on its way to the disk. */
const TAKEN = 8;

/** Whether the disk may not have an entry with these flags. */
export function isUndurable(flags: number): boolean {
  return (flags & (CHANGED | TAKEN)) !== 0;
}

/** The entry at this place goes into a record. */
export function setTaken(chunk: EntryChunk, at: number): void {
  chunk.flags[at] = ((chunk.flags[at] ?? 0) & ~CHANGED) | TAKEN;
}

/** Its record is durable, or will never be; a change since then stays one. */
export function setSettled(chunk: EntryChunk, at: number): void {
  chunk.flags[at] = (chunk.flags[at] ?? 0) & ~TAKEN;
}

/** The blocks whose entries changed, each once. */
export class ChangedBlocks {
  #blocks = new Uint32Array(256);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The block's entry, which is at this place, has changed. */
  note(block: number, chunk: EntryChunk, at: number): void {
    const flags = chunk.flags[at] ?? 0;
    if ((flags & CHANGED) !== 0) return;
    chunk.flags[at] = flags | CHANGED;
    if (this.#count === this.#blocks.length) {
      const larger = new Uint32Array(this.#blocks.length * 2);
      larger.set(this.#blocks);
      this.#blocks = larger;
    }
    this.#blocks[this.#count++] = block;
  }

  /** The blocks in order; each is to be set taken. They are good until the next change. */
  take(): Uint32Array {
    const blocks = this.#blocks.subarray(0, this.#count).sort();
    this.#count = 0;
    return blocks;
  }
}
