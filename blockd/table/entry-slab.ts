// The entries of a table in typed arrays that exist only where something was written: groups of eight blocks, found by a
// list per 1,024 blocks. It knows what an entry takes, not what it means.

const GROUP_BITS = 3;
/** Blocks of one group: its places are neighbours. */
export const GROUP_BLOCKS = 2 ** GROUP_BITS;
/** Blocks that share one list of groups (4 MiB): what a table takes for a region with a single written block. */
const PAGE_BITS = 10;
const PAGE_GROUPS = 2 ** (PAGE_BITS - GROUP_BITS);
/** Groups in one chunk of a large table (64 Ki blocks, 1 MB): small steps of memory, few arrays. */
const CHUNK_GROUPS_MAX = 2 ** 13;
const NO_LIST = -1;
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
  /** Per page: which list it has. */
  readonly #pages: Int32Array;
  /** Lists of group numbers plus one, 0 for a group that does not exist. */
  readonly #lists: Uint32Array[] = [];
  #groups = 0;

  /** `chunkGroups` is for one that is read: how it was written. */
  constructor(blocks: number, chunkGroups?: number) {
    this.blocks = blocks;
    this.#pages = new Int32Array(Math.ceil(blocks / 2 ** PAGE_BITS)).fill(NO_LIST);
    this.chunkGroups =
      chunkGroups ?? Math.min(CHUNK_GROUPS_MAX, 2 ** Math.ceil(Math.log2(Math.ceil(blocks / GROUP_BLOCKS))));
    this.#chunkBits = Math.log2(this.chunkGroups) + GROUP_BITS;
    this.#chunkMask = this.chunkGroups * GROUP_BLOCKS - 1;
  }

  /** Groups that exist. */
  get groups(): number {
    return this.#groups;
  }

  get chunks(): readonly EntryChunk[] {
    return this.#chunks;
  }

  /** The block's place as one number, or -1 where nothing near it was ever written. */
  slotOf(block: number): number {
    const list = this.#pages[block >>> PAGE_BITS] ?? NO_LIST;
    if (list === NO_LIST) return -1;
    const group = this.#lists[list]?.[(block >>> GROUP_BITS) & (PAGE_GROUPS - 1)] ?? 0;
    return group === 0 ? -1 : (group - 1) * GROUP_BLOCKS + (block & (GROUP_BLOCKS - 1));
  }

  /** As `slotOf`; makes the place where there is none. */
  makeSlot(block: number): number {
    const known = this.slotOf(block);
    if (known >= 0) return known;
    const group = this.#groups++;
    this.#place(block >>> GROUP_BITS, group);
    return group * GROUP_BLOCKS + (block & (GROUP_BLOCKS - 1));
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
    let at = block;
    while (at < end) {
      if (this.slotOf(at) >= 0) return at;
      const step = (this.#pages[at >>> PAGE_BITS] ?? NO_LIST) === NO_LIST ? PAGE_BITS : GROUP_BITS;
      at = ((at >>> step) + 1) * 2 ** step;
    }
    return end;
  }

  /** The first block from `block` on, before `end`, that has none. */
  nextUnplaced(block: number, end: number): number {
    let at = block;
    while (at < end && this.slotOf(at) >= 0) at = ((at >>> GROUP_BITS) + 1) * GROUP_BLOCKS;
    return Math.min(at, end);
  }

  /** Makes the next chunk for so many groups, whose arrays the caller fills; then `adopt` finds their blocks. */
  growBy(groups: number): EntryChunk {
    const chunk = this.#chunk(this.#chunks.length);
    this.#groups += groups;
    return chunk;
  }

  /** Finds the blocks of a chunk's groups by their owners; false when an owner lies outside or stands twice. */
  adopt(index: number): boolean {
    const first = index * this.chunkGroups;
    const { owner } = this.#chunk(index);
    const count = Math.min(this.chunkGroups, this.#groups - first);
    for (let at = 0; at < count; at++) {
      const group = owner[at] ?? 0;
      if (group * GROUP_BLOCKS >= this.blocks || this.slotOf(group * GROUP_BLOCKS) >= 0) return false;
      this.#list(group, first + at);
    }
    return true;
  }

  #place(owner: number, group: number): void {
    this.#list(owner, group);
    this.#chunk(Math.floor(group / this.chunkGroups)).owner[group % this.chunkGroups] = owner;
  }

  #list(owner: number, group: number): void {
    const page = Math.floor(owner / PAGE_GROUPS);
    if (this.#pages[page] === NO_LIST) this.#pages[page] = this.#lists.push(new Uint32Array(PAGE_GROUPS)) - 1;
    const list = this.#lists[this.#pages[page] ?? 0];
    if (list !== undefined) list[owner % PAGE_GROUPS] = group + 1;
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
