// Which groups of eight blocks anything is kept of, numbered in the order in which they were first used: what is kept by
// such a number takes memory only where something happened. It knows nothing of what is kept.

export const GROUP_BITS = 3;
/** Blocks of one group: its places are neighbours. */
export const GROUP_BLOCKS = 2 ** GROUP_BITS;
/** Blocks that share one list of groups (4 MiB): what an index takes for a region with a single used block. */
const PAGE_BITS = 10;
const PAGE_GROUPS = 2 ** (PAGE_BITS - GROUP_BITS);
const NO_LIST = -1;

/** A block's place is its slot: eight times its group's number, and its place in the group. */
export class GroupIndex {
  readonly blocks: number;
  /** Per page: which list it has. */
  readonly #pages: Int32Array;
  /** Lists of group numbers plus one, 0 for a group that does not exist. */
  readonly #lists: Uint32Array[] = [];
  #groups = 0;

  constructor(blocks: number) {
    this.blocks = blocks;
    this.#pages = new Int32Array(Math.ceil(blocks / 2 ** PAGE_BITS)).fill(NO_LIST);
  }

  /** Groups that exist. */
  get groups(): number {
    return this.#groups;
  }

  /** What the index itself takes, in bytes. */
  get bytes(): number {
    return this.#pages.byteLength + this.#lists.length * PAGE_GROUPS * Uint32Array.BYTES_PER_ELEMENT;
  }

  /** The block's slot, or -1 where its group does not exist. */
  slotOf(block: number): number {
    const list = this.#pages[block >>> PAGE_BITS] ?? NO_LIST;
    if (list === NO_LIST) return -1;
    const group = this.#lists[list]?.[(block >>> GROUP_BITS) & (PAGE_GROUPS - 1)] ?? 0;
    return group === 0 ? -1 : (group - 1) * GROUP_BLOCKS + (block & (GROUP_BLOCKS - 1));
  }

  /** As `slotOf`; makes the group where there is none. */
  makeSlot(block: number): number {
    const known = this.slotOf(block);
    if (known >= 0) return known;
    const number = this.#groups++;
    this.#list(block >>> GROUP_BITS, number);
    return number * GROUP_BLOCKS + (block & (GROUP_BLOCKS - 1));
  }

  /** The next numbers are for so many groups of which `place` will say which they are. */
  reserve(groups: number): void {
    this.#groups += groups;
  }

  /** The group of the image at this place gets a reserved number; false when it lies outside or has one already. */
  place(group: number, number: number): boolean {
    if (group * GROUP_BLOCKS >= this.blocks || this.slotOf(group * GROUP_BLOCKS) >= 0) return false;
    this.#list(group, number);
    return true;
  }

  #list(group: number, number: number): void {
    const page = Math.floor(group / PAGE_GROUPS);
    if (this.#pages[page] === NO_LIST) this.#pages[page] = this.#lists.push(new Uint32Array(PAGE_GROUPS)) - 1;
    const list = this.#lists[this.#pages[page] ?? 0];
    if (list !== undefined) list[group % PAGE_GROUPS] = number + 1;
  }

  /** The first block from `block` on, before `end`, whose group exists; `end` if there is none. */
  nextPlaced(block: number, end: number): number {
    let at = block;
    while (at < end) {
      if (this.slotOf(at) >= 0) return at;
      const step = (this.#pages[at >>> PAGE_BITS] ?? NO_LIST) === NO_LIST ? PAGE_BITS : GROUP_BITS;
      at = ((at >>> step) + 1) * 2 ** step;
    }
    return end;
  }

  /** The first block from `block` on, before `end`, whose group does not exist; `end` if there is none. */
  nextUnplaced(block: number, end: number): number {
    let at = block;
    while (at < end && this.slotOf(at) >= 0) at = ((at >>> GROUP_BITS) + 1) * GROUP_BLOCKS;
    return Math.min(at, end);
  }

  /** The first block of the first group that exists at or after the group of `block`; `blocks` if there is none. */
  nextGroup(block: number): number {
    return this.nextPlaced(block & ~(GROUP_BLOCKS - 1), this.blocks);
  }
}
