// The blocks of one image that are newest here and missing at one destination, in order of their priority (TOCS 2017,
// 3.2.3). A word per eight blocks that heat knows; the order is found by scanning in steps, so that a read or a write costs
// nothing here but a bit of it. Pure: time and heat come from outside.

import { GROUP_BLOCKS } from '../table/group-index.ts';
import type { BlockHeat } from './block-heat.ts';
import { CandidatePool } from './candidate-pool.ts';
import { GroupWords } from './group-words.ts';
import { basePriorityOf, levelOf, type PushRule, priorityOf } from './push-priority.ts';

/** What is found by one scan and not pushed yet: at 25 MB/s 2.7 s of work (128 KiB of memory, twice). */
const CANDIDATES_MAX = 2 ** 14;

const MISSING = 0xff;
const PUSHED_SHIFT = 8;
/** The group was met, so that its bits mean something. */
const KNOWN = 1 << 16;

/** Blocks to push, side by side. */
export interface PushRun {
  readonly first: number;
  readonly count: number;
}

export interface PushQueueParts {
  readonly heat: BlockHeat;
  /** Whether a block has data (a zero has not: its entry is all there is to send). */
  readonly hasData: (block: number) => boolean;
  /** Whether the destination had the newest version when this queue began. */
  readonly isHeld: (block: number) => boolean;
  /** Whether nobody writes the image's layer (`basePriorityOf`). */
  readonly isBase?: boolean;
}

/** What became of pushes, in blocks. */
export interface PushCounts {
  pushed: number;
  /** Of those: blocks that had been pushed before in another version. */
  resent: number;
  /** Copies that were overwritten here before the VM left: wasted. */
  overtaken: number;
}

/** The queue of one destination. */
export class PushQueue {
  readonly counts: PushCounts = { pushed: 0, resent: 0, overtaken: 0 };
  readonly #parts: PushQueueParts;
  /** Per group: which blocks are missing, which were pushed once (both: "updated since pushed"), and `KNOWN`. */
  readonly #words = new GroupWords();
  #knownGroups = 0;
  #missingBlocks = 0;
  #cursor = 0;
  #overflowed = false;
  #current: CandidatePool;
  #found: CandidatePool;

  constructor(parts: PushQueueParts) {
    this.#parts = parts;
    const capacity = Math.min(CANDIDATES_MAX, parts.heat.index.blocks);
    this.#current = new CandidatePool(capacity);
    this.#found = new CandidatePool(capacity);
  }

  /** Blocks that are missing at the destination, of those that heat knows and a scan has seen. */
  get missingBlocks(): number {
    return this.#missingBlocks;
  }

  /** Whether the last round found more than it could keep, and all of that is taken: another one is worth its time. */
  get isShort(): boolean {
    return this.#overflowed && this.#current.size === 0;
  }

  /** Whether a scan has found blocks that were not taken yet. */
  get hasCandidates(): boolean {
    return this.#current.size > 0 || this.#found.size > 0;
  }

  /** Whether a scan may find something. */
  get hasMore(): boolean {
    return this.#missingBlocks > 0 || this.#knownGroups < this.#parts.heat.index.groups;
  }

  /** What it takes, in bytes, beside its two pools. */
  get bytes(): number {
    return this.#words.bytes;
  }

  /** The block got a new version here, with data or as a zero. */
  written(block: number, slot: number, isZero = false): void {
    const group = slot >>> 3;
    const bit = 1 << (slot & 7);
    const word = this.#known(block, group);
    const wasMissing = (word & bit) !== 0;
    if (!wasMissing && (word & (bit << PUSHED_SHIFT)) !== 0) this.counts.overtaken++;
    if (wasMissing !== isZero) return;
    this.#missingBlocks += isZero ? -1 : 1;
    this.#words.set(group, word ^ bit);
  }

  /** The destination got the block's newest version in another way. */
  held(block: number, slot: number): void {
    const word = this.#known(block, slot >>> 3);
    if ((word & (1 << (slot & 7))) === 0) return;
    this.#missingBlocks--;
    this.#words.set(slot >>> 3, word ^ (1 << (slot & 7)));
  }

  /** A push did not come to its end: the blocks are missing as before. */
  failed(run: PushRun): void {
    for (let block = run.first; block < run.first + run.count; block++) {
      const slot = this.#parts.heat.index.slotOf(block);
      if (slot < 0 || this.#isMissing(slot) || !this.#parts.hasData(block)) continue;
      this.#missingBlocks++;
      this.#words.set(slot >>> 3, this.#words.get(slot >>> 3) | (1 << (slot & 7)));
    }
  }

  /** Looks at so many more groups; true when that was the last of a round, after which the best of all are known. */
  scan(rule: PushRule, isReady: (slot: number) => boolean, groupsMax: number): boolean {
    const { index } = this.#parts.heat;
    for (let seen = 0; seen < groupsMax; seen++) {
      const first = index.nextGroup(this.#cursor);
      if (first >= index.blocks) {
        this.#overflowed = this.#found.isFull;
        this.#turn();
        return true;
      }
      this.#cursor = first + GROUP_BLOCKS;
      this.#scanGroup(first, rule, isReady);
    }
    return false;
  }

  /** The next blocks to push, or undefined; they count as held until `failed` or the next write. */
  take(rule: PushRule, isReady: (slot: number) => boolean, blocksMax: number): PushRun | undefined {
    if (this.#current.size === 0) this.#turn(this.#cursor);
    for (let { level } = this.#current; level >= 0; level = this.#current.level) {
      const first = this.#current.take();
      const now = this.#levelAt(first, rule, isReady);
      if (now >= level) return this.#takeRun(first, level, rule, isReady, blocksMax);
      if (now >= 0) this.#current.add(first, now);
    }
    return undefined;
  }

  /** Forgets the order, which a new rule makes wrong; the next scan finds it. */
  reorder(): void {
    this.#current.clear();
    this.#found.clear();
    this.#cursor = 0;
  }

  #takeRun(
    first: number,
    level: number,
    rule: PushRule,
    isReady: (slot: number) => boolean,
    blocksMax: number,
  ): PushRun {
    let end = first;
    const last = Math.min(first + blocksMax, this.#parts.heat.index.blocks);
    while (end < last && (end === first || this.#levelAt(end, rule, isReady) >= level)) {
      const slot = this.#parts.heat.index.slotOf(end);
      const bit = 1 << (slot & 7);
      const word = this.#words.get(slot >>> 3);
      if ((word & (bit << PUSHED_SHIFT)) !== 0) this.counts.resent++;
      this.#missingBlocks--;
      this.#words.set(slot >>> 3, (word & ~bit) | (bit << PUSHED_SHIFT));
      end++;
    }
    this.counts.pushed += end - first;
    return { first, count: end - first };
  }

  /** The level of a block that may be pushed now, else -1. */
  #levelAt(block: number, rule: PushRule, isReady: (slot: number) => boolean): number {
    const slot = this.#parts.heat.index.slotOf(block);
    return slot >= 0 && this.#isMissing(slot) && isReady(slot) ? this.#levelOf(slot, rule) : -1;
  }

  #levelOf(slot: number, rule: PushRule): number {
    const { heat, isBase } = this.#parts;
    const reads = heat.readsOf(slot) / heat.unit;
    if (reads === 0 && rule.s > 0) return -1;
    if (isBase === true) return levelOf(basePriorityOf(reads));
    return levelOf(priorityOf(reads, heat.writesOf(slot) / heat.unit, rule));
  }

  #scanGroup(first: number, rule: PushRule, isReady: (slot: number) => boolean): void {
    const slot = this.#parts.heat.index.slotOf(first);
    const missing = this.#known(first, slot >>> 3) & MISSING;
    if (missing === 0) return;
    for (let at = 0; at < GROUP_BLOCKS; at++) {
      if (((missing >>> at) & 1) === 0 || !isReady(slot + at)) continue;
      const level = this.#levelOf(slot + at, rule);
      if (level >= 0) this.#found.add(first + at, level);
    }
  }

  #isMissing(slot: number): boolean {
    return (this.#words.get(slot >>> 3) & (1 << (slot & 7))) !== 0;
  }

  #known(block: number, group: number): number {
    const word = this.#words.get(group);
    return (word & KNOWN) !== 0 ? word : this.#meet(block, group);
  }

  /** The first time that a group is met: which of its blocks the destination lacks. */
  #meet(block: number, group: number): number {
    const first = block & ~(GROUP_BLOCKS - 1);
    let word = KNOWN;
    for (let at = 0; at < GROUP_BLOCKS; at++) {
      if (!this.#parts.hasData(first + at) || this.#parts.isHeld(first + at)) continue;
      word |= 1 << at;
      this.#missingBlocks++;
    }
    this.#knownGroups++;
    this.#words.set(group, word);
    return word;
  }

  /** What was found becomes what is taken; the scan goes on at `cursor`. */
  #turn(cursor = 0): void {
    [this.#current, this.#found] = [this.#found, this.#current];
    this.#found.clear();
    this.#cursor = cursor;
  }
}
