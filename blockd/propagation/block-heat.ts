// How often each block is read and written, as counts that halve every ten minutes. Stands on the path of every request:
// it allocates nothing per note, asks no clock and does nothing for ranges that were never written.
import { GROUP_BLOCKS, GroupIndex } from '../table/group-index.ts';

/** The window over which frequencies are meant: an event counts half after it. */
export const HALF_LIFE_MS = 600_000;
/** One event, in the units of a counter: it leaves a trace for four half-lives, and 4,095 events fill a counter. */
export const EVENT_UNITS = 16;
const COUNTER_MAX = 2 ** 16 - 1;
const COUNTER_BITS = 16;
/** Parts of a half-life in which events have the same weight (75 s). */
const STEPS = 8;
/** What an event counts in each part: later events more, by which the earlier ones count less (forward decay). */
const WEIGHTS = Uint8Array.from({ length: STEPS }, (_, step) => Math.round(EVENT_UNITS * 2 ** (step / STEPS)));
/** Groups in one chunk (64 Ki blocks, 272 KiB). */
const CHUNK_GROUPS_MAX = 2 ** 13;
const STAMP_MASK = 0xffff;

interface Chunk {
  readonly reads: Uint16Array;
  readonly writes: Uint16Array;
  /** Per group: the half-life, counted from the start, to which its counters refer; modulo 2^16 (more than a year). */
  readonly stamps: Uint16Array;
}

/**
 * The frequencies of one image's blocks. A counter that is full halves both of its block, which keeps their ratio. Decay
 * as in Cormode et al., "Forward Decay" (ICDE 2009): new events weigh more as a half-life passes, and a group's counters
 * are halved when it is next touched after that.
 */
export class BlockHeat {
  readonly index: GroupIndex;
  readonly #hasData: (block: number) => boolean;
  readonly #chunkGroups: number;
  readonly #chunkBits: number;
  readonly #chunkMask: number;
  readonly #chunks: Chunk[] = [];
  #halfLives = 0;
  #weight = EVENT_UNITS;

  /** `hasData`: whether a block was ever written; asked when the first block near it is read. */
  constructor(blocks: number, hasData: (block: number) => boolean) {
    this.index = new GroupIndex(blocks);
    this.#hasData = hasData;
    const groups = Math.max(1, Math.ceil(blocks / GROUP_BLOCKS));
    this.#chunkGroups = Math.min(CHUNK_GROUPS_MAX, 2 ** Math.ceil(Math.log2(groups)));
    this.#chunkBits = Math.log2(this.#chunkGroups * GROUP_BLOCKS);
    this.#chunkMask = this.#chunkGroups * GROUP_BLOCKS - 1;
  }

  /** What it takes, in bytes. */
  get bytes(): number {
    const chunk = this.#chunkGroups * (GROUP_BLOCKS * 4 + 2);
    return this.index.bytes + this.#chunks.length * chunk;
  }

  /** One event of this moment, in the units of `readsOf` and `writesOf`. */
  get unit(): number {
    return this.#weight;
  }

  /** Sets the time that notes belong to, in ms since it was made; never backwards. A few times a minute is enough. */
  setTime(ageMs: number): void {
    this.#halfLives = Math.floor(ageMs / HALF_LIFE_MS);
    const step = Math.floor(((ageMs - this.#halfLives * HALF_LIFE_MS) / HALF_LIFE_MS) * STEPS);
    this.#weight = WEIGHTS[step] ?? EVENT_UNITS;
  }

  /** Counts a read; answers the block's slot, -1 when nothing near the block was ever written. */
  addRead(block: number): number {
    let slot = this.index.slotOf(block);
    if (slot < 0) {
      if (!this.#hasData(block)) return -1;
      slot = this.index.makeSlot(block);
    }
    const chunk = this.#fresh(slot);
    this.#add(chunk.reads, chunk.writes, slot & this.#chunkMask);
    return slot;
  }

  /** Counts a write; answers the block's slot. */
  addWrite(block: number): number {
    const slot = this.index.makeSlot(block);
    const chunk = this.#fresh(slot);
    this.#add(chunk.writes, chunk.reads, slot & this.#chunkMask);
    return slot;
  }

  /** Reads of the slot's block as of now, in `unit`s. */
  readsOf(slot: number): number {
    const chunk = this.#chunks[slot >>> this.#chunkBits];
    return chunk === undefined ? 0 : this.#asOfNow(chunk, chunk.reads, slot);
  }

  writesOf(slot: number): number {
    const chunk = this.#chunks[slot >>> this.#chunkBits];
    return chunk === undefined ? 0 : this.#asOfNow(chunk, chunk.writes, slot);
  }

  #asOfNow(chunk: Chunk, counters: Uint16Array, slot: number): number {
    const at = slot & this.#chunkMask;
    const behind = (this.#halfLives - (chunk.stamps[at >>> 3] ?? 0)) & STAMP_MASK;
    return behind >= COUNTER_BITS ? 0 : (counters[at] ?? 0) >>> behind;
  }

  #add(counters: Uint16Array, others: Uint16Array, at: number): void {
    const sum = (counters[at] ?? 0) + this.#weight;
    if (sum <= COUNTER_MAX) {
      counters[at] = sum;
      return;
    }
    counters[at] = sum >>> 1;
    others[at] = (others[at] ?? 0) >>> 1;
  }

  /** The slot's chunk, its group brought up to now. */
  #fresh(slot: number): Chunk {
    const chunk = this.#chunks[slot >>> this.#chunkBits] ?? this.#grow(slot >>> this.#chunkBits);
    const group = (slot & this.#chunkMask) >>> 3;
    const behind = (this.#halfLives - (chunk.stamps[group] ?? 0)) & STAMP_MASK;
    if (behind !== 0) this.#halve(chunk, group, behind);
    return chunk;
  }

  #halve(chunk: Chunk, group: number, times: number): void {
    const shift = Math.min(times, COUNTER_BITS);
    for (let at = group * GROUP_BLOCKS; at < (group + 1) * GROUP_BLOCKS; at++) {
      chunk.reads[at] = (chunk.reads[at] ?? 0) >>> shift;
      chunk.writes[at] = (chunk.writes[at] ?? 0) >>> shift;
    }
    chunk.stamps[group] = this.#halfLives & STAMP_MASK;
  }

  #grow(index: number): Chunk {
    const blocks = this.#chunkGroups * GROUP_BLOCKS;
    const stamps = new Uint16Array(this.#chunkGroups).fill(this.#halfLives & STAMP_MASK);
    const chunk = { reads: new Uint16Array(blocks), writes: new Uint16Array(blocks), stamps };
    this.#chunks[index] = chunk;
    return chunk;
  }
}
