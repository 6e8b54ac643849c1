// A file of a disk in memory: what the platter has of it, what the page cache shows, and the changes between the two. Not a
// test itself.
import { FileContent } from './file-content.ts';

const SECTOR_BYTES = 512;
/** Some bit of a byte. */
const ROT = 0x10;

/** One change of a file's content since its last sync. */
export interface Change {
  apply(content: FileContent): void;
  /** The bytes that it changes; undefined for a change of size. */
  readonly range: { readonly start: number; readonly end: number } | undefined;
}

/** A sector that rotted: what it was, and what it became. */
interface RottenSector {
  readonly start: number;
  readonly was: Uint8Array;
  readonly is: Uint8Array;
}

export class Inode {
  readonly durable: FileContent;
  #content: FileContent;
  pending: Change[] = [];
  readonly #rotten: RottenSector[] = [];

  constructor(durable = new FileContent()) {
    this.durable = durable;
    this.#content = durable.copy();
  }

  get content(): FileContent {
    return this.#content;
  }

  change(change: Change): void {
    this.pending.push(change);
    change.apply(this.#content);
  }

  /** What the platter has once so many of `pending` reached it: not what a sync that failed has lost. */
  written(changes = this.pending.length): FileContent {
    const content = this.durable.copy();
    for (const change of this.pending.slice(0, changes)) change.apply(content);
    return content;
  }

  sync(): void {
    for (const change of this.pending) change.apply(this.durable);
    this.pending = [];
  }

  /** A sync that fails: Linux takes the pages for clean, shows them still and writes them never. */
  loseSync(): void {
    this.pending = [];
  }

  dropCached(): void {
    this.#content = this.written();
  }

  /** A byte of what was synced and read since turns into another one. */
  rot(offset: number): void {
    const start = offset - (offset % SECTOR_BYTES);
    const was = readFrom(this.durable, start, SECTOR_BYTES);
    if (offset - start >= was.length) return;
    const is = was.map((byte, at) => (start + at === offset ? byte ^ ROT : byte));
    this.#rotten.push({ start, was, is });
    this.#turn({ start, was, is });
  }

  /** What rotted between these offsets, and was not written since, is as it was. */
  unrot(from: number, end: number): void {
    for (const { start, was, is } of this.#rotten)
      if (start >= from && start < end) this.#turn({ start, was: is, is: was });
  }

  #turn({ start, was, is }: RottenSector): void {
    for (const content of [this.durable, this.#content])
      if (Buffer.compare(readFrom(content, start, was.length), was) === 0) content.write(is, start);
  }

  copy(): Inode {
    const copy = new Inode(this.durable.copy());
    copy.#content = this.#content.copy();
    copy.pending = [...this.pending];
    copy.#rotten.push(...this.#rotten);
    return copy;
  }
}

/** What became of the unsynced changes: all lost, all kept, or all kept but (a part of) one. */
export type Loss =
  | { readonly kind: 'lose-all' }
  | { readonly kind: 'keep-all' }
  | { readonly kind: 'lose-part'; readonly index: number; readonly start: number; readonly end: number };

/**
 * What the platter has. A page cache writes a sector as it is at that moment: where a write did not reach the disk, no
 * later one of the same sector did.
 */
export function contentAfter(
  inode: Inode,
  pending: readonly { inode: Inode; change: Change }[],
  loss: Loss,
): FileContent {
  if (loss.kind === 'lose-all') return inode.durable.copy();
  const lost = loss.kind === 'lose-part' ? pending[loss.index] : undefined;
  const written = inode.written();
  if (loss.kind !== 'lose-part' || lost?.inode !== inode) return written;
  const before = inode.written(inode.pending.indexOf(lost.change)).bytes;
  const start = Math.floor(loss.start / SECTOR_BYTES) * SECTOR_BYTES;
  const end = Math.min(Math.ceil(loss.end / SECTOR_BYTES) * SECTOR_BYTES, written.bytes.length);
  const left = Buffer.alloc(Math.max(0, end - start));
  left.set(before.subarray(start, end));
  written.write(left, start);
  return written;
}

export function writing(buffer: Uint8Array, offset: number): Change {
  const bytes = new Uint8Array(buffer);
  return {
    range: { start: offset, end: offset + bytes.length },
    apply: (content) => content.write(bytes, offset),
  };
}

export function truncation(size: number): Change {
  return { apply: (content) => content.resize(size), range: undefined };
}

function readFrom(content: FileContent, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, content.read(bytes, offset));
}
