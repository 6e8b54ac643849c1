// The entries of a table in typed arrays that exist only where something was written, by groups of eight blocks. It knows
// what an entry takes, not what it means.
import { GROUP_BITS, GROUP_BLOCKS, GroupIndex } from './group-index.ts';

/** Groups in one chunk of a large table (64 Ki blocks, 1 MB): small steps of memory, few arrays. */
const CHUNK_GROUPS_MAX = 2 ** 13;
/** Bytes of an entry, its share of its group's number included. */
export const ENTRY_BYTES = 3 * 4 + 2 + 1 + 4 / GROUP_BLOCKS;
/** Behind a chunk's arrays, for whoever writes it to a disk. */
export const SEAL_BYTES = 8;

/** Entries of many blocks, one array per field. `owner`: which group of the image each group of the chunk is. */
export interface EntryChunk {
  /** All of it in one piece, with room for a seal at the end: what is read into it is in the arrays. */
  readonly bytes: Uint8Array;
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  readonly sum: Uint32Array;
  readonly holder: Uint16Array;
  readonly flags: Uint8Array;
  readonly owner: Uint32Array;
}

/** Entries by block number. */
export class EntrySlab {
  readonly blocks: number;
  readonly chunkGroups: number;
  readonly #chunkBits: number;
  readonly #chunkMask: number;
  readonly #chunks: EntryChunk[] = [];
  readonly #index: GroupIndex;

  /** `chunkGroups` is for one that is read: how it was written. */
  constructor(blocks: number, chunkGroups?: number) {
    this.blocks = blocks;
    this.#index = new GroupIndex(blocks);
    this.chunkGroups =
      chunkGroups ?? Math.min(CHUNK_GROUPS_MAX, 2 ** Math.ceil(Math.log2(Math.ceil(blocks / GROUP_BLOCKS))));
    this.#chunkBits = Math.log2(this.chunkGroups) + GROUP_BITS;
    this.#chunkMask = this.chunkGroups * GROUP_BLOCKS - 1;
  }

  /** Groups that exist. */
  get groups(): number {
    return this.#index.groups;
  }

  get chunks(): readonly EntryChunk[] {
    return this.#chunks;
  }

  /** The block's place as one number, or -1 where nothing near it was ever written. */
  slotOf(block: number): number {
    return this.#index.slotOf(block);
  }

  /** As `slotOf`; makes the place where there is none. */
  makeSlot(block: number): number {
    const known = this.#index.slotOf(block);
    if (known >= 0) return known;
    const slot = this.#index.makeSlot(block);
    this.chunkOf(slot).owner[this.indexOf(slot) >>> GROUP_BITS] = block >>> GROUP_BITS;
    return slot;
  }

  /** The chunk of a slot, and `indexOf` the place in it. */
  chunkOf(slot: number): EntryChunk {
    return this.#chunk(slot >>> this.#chunkBits);
  }

  indexOf(slot: number): number {
    return slot & this.#chunkMask;
  }

  /** The first block from `block` on, before `end`, that has a place; `end` if none has. */
  nextPlaced(block: number, end: number): number {
    return this.#index.nextPlaced(block, end);
  }

  /** The first block from `block` on, before `end`, that has none. */
  nextUnplaced(block: number, end: number): number {
    return this.#index.nextUnplaced(block, end);
  }

  /** Makes the next chunk for so many groups, whose arrays the caller fills; then `adopt` finds their blocks. */
  growBy(groups: number): EntryChunk {
    const chunk = this.#chunk(this.#chunks.length);
    this.#index.reserve(groups);
    return chunk;
  }

  /** Finds the blocks of a chunk's groups by their owners; false when an owner lies outside or stands twice. */
  adopt(index: number): boolean {
    const first = index * this.chunkGroups;
    const { owner } = this.#chunk(index);
    const count = Math.min(this.chunkGroups, this.groups - first);
    for (let at = 0; at < count; at++) if (!this.#index.place(owner[at] ?? 0, first + at)) return false;
    return true;
  }

  #chunk(index: number): EntryChunk {
    const known = this.#chunks[index];
    if (known !== undefined) return known;
    const chunk = makeChunk(this.chunkGroups);
    this.#chunks.push(chunk);
    return chunk;
  }
}

/** An empty chunk of so many groups. */
export function makeChunk(groups: number): EntryChunk {
  const blocks = groups * GROUP_BLOCKS;
  const buffer = new ArrayBuffer(blocks * ENTRY_BYTES + SEAL_BYTES);
  // The larger fields first: each array begins where its field may.
  const owner = 3 * 4 * blocks;
  const holder = owner + 4 * groups;
  return {
    bytes: new Uint8Array(buffer),
    high: new Uint32Array(buffer, 0, blocks),
    low: new Uint32Array(buffer, 4 * blocks, blocks),
    sum: new Uint32Array(buffer, 8 * blocks, blocks),
    owner: new Uint32Array(buffer, owner, groups),
    holder: new Uint16Array(buffer, holder, blocks),
    flags: new Uint8Array(buffer, holder + 2 * blocks, blocks),
  };
}

/** Copies the entries of one group, of which these are the first places, to another. */
export function copyGroup(from: EntryChunk, fromAt: number, to: EntryChunk, toAt: number): void {
  for (let index = 0; index < GROUP_BLOCKS; index++) {
    to.high[toAt + index] = from.high[fromAt + index] ?? 0;
    to.low[toAt + index] = from.low[fromAt + index] ?? 0;
    to.sum[toAt + index] = from.sum[fromAt + index] ?? 0;
    to.holder[toAt + index] = from.holder[fromAt + index] ?? 0;
    to.flags[toAt + index] = from.flags[fromAt + index] ?? 0;
  }
}

/** Makes the places from one on as if nothing had ever been written there. */
export function clearFrom(chunk: EntryChunk, at: number): void {
  for (const array of [chunk.high, chunk.low, chunk.sum, chunk.holder, chunk.flags]) array.fill(0, at);
  chunk.owner.fill(0, at / GROUP_BLOCKS);
}
