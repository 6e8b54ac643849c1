// Which groups of eight blocks anything is kept of, numbered in the order in which they were first used: what is kept by
// such a number takes memory only where something happened. It knows nothing of what is kept.

const GROUP_BITS = 3;
export const GROUP_BLOCKS = 2 ** GROUP_BITS;
/** Blocks that share one list of groups (4 MiB), as in the version table. */
const PAGE_BITS = 10;
const PAGE_GROUPS = 2 ** (PAGE_BITS - GROUP_BITS);
const NO_LIST = -1;

/** A block's place is its slot: eight times its group's number, and its place in the group. */
export class GroupIndex {
  readonly blocks: number;
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
    const page = block >>> PAGE_BITS;
    if (this.#pages[page] === NO_LIST) this.#pages[page] = this.#lists.push(new Uint32Array(PAGE_GROUPS)) - 1;
    const list = this.#lists[this.#pages[page] ?? 0];
    const group = this.#groups++;
    if (list !== undefined) list[(block >>> GROUP_BITS) & (PAGE_GROUPS - 1)] = group + 1;
    return group * GROUP_BLOCKS + (block & (GROUP_BLOCKS - 1));
  }

  /** The first block of the first group that exists at or after the group of `block`; `blocks` or more if there is none. */
  nextGroup(block: number): number {
    let at = block & ~(GROUP_BLOCKS - 1);
    while (at < this.blocks && this.slotOf(at) < 0) {
      const step = (this.#pages[at >>> PAGE_BITS] ?? NO_LIST) === NO_LIST ? PAGE_BITS : GROUP_BITS;
      at = ((at >>> step) + 1) * 2 ** step;
    }
    return at;
  }
}
