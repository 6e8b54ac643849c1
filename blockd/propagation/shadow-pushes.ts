// What pushing with other values of S would have cost and saved, measured on a sample of the blocks: each sampled block
// knows for how many values of the grid its copy at the destination would be good now. The idea of a miniature simulation
// (Waldspurger et al., USENIX ATC 2017), with S in place of a cache's size. Pure, no allocation per note.
import type { BlockHeat } from './block-heat.ts';
import { ratioOf } from './push-priority.ts';

/** The values of S that are compared: 0 (all that changed), and the powers of two from 1/256 to 64. */
export const S_GRID: readonly number[] = [0, ...Array.from({ length: 15 }, (_, index) => 2 ** (index - 8))];
/** Where the paper's S = 1 stands. */
export const PAPER_S_INDEX = S_GRID.indexOf(1);
/** Groups that are sampled at the most: 256 Ki blocks, for which two bytes each are kept. */
const SAMPLED_GROUPS_MAX = 2 ** 15;
const LOWEST_LOG2 = -8;
/** In the second byte: the block was touched in this window. */
const TOUCHED = 0x80;

/** One window, in blocks of the whole image: per value of the grid, and what is kept where at its end. */
export interface ShadowWindow {
  /** Blocks that a VM moved at the window's beginning would have read in it before writing them, and missed. */
  readonly missed: readonly number[];
  /** Blocks pushed at the window's end. */
  readonly pushed: readonly number[];
  /** Copies at the destination that are good at the window's end. */
  readonly held: readonly number[];
}

/** How many values of the grid a ratio reaches: those before this index. */
export function reachedBy(ratio: number): number {
  if (ratio < 2 ** LOWEST_LOG2) return 1;
  return Math.min(S_GRID.length, Math.floor(Math.log2(ratio)) - LOWEST_LOG2 + 2);
}

/** The sampled blocks of one image and its most probable destination. */
export class ShadowPushes {
  readonly #heat: BlockHeat;
  readonly #isHeld: (block: number) => boolean;
  /** Every so many groups one is sampled. */
  readonly #every: number;
  readonly #heldTo: Uint8Array;
  /** As it was at the window's beginning, and `TOUCHED`. */
  readonly #startTo: Uint8Array;
  readonly #knownGroups: Uint8Array;
  /** Blocks by how many values hold them; for missed ones from that value on. */
  readonly #missedFrom = new Float64Array(S_GRID.length + 1);
  readonly #heldBy = new Float64Array(S_GRID.length + 1);

  /** `isHeld`: whether the destination has the block's newest version, or there is nothing to have. */
  constructor(heat: BlockHeat, isHeld: (block: number) => boolean) {
    this.#heat = heat;
    this.#isHeld = isHeld;
    const groups = Math.ceil(heat.index.blocks / 8);
    this.#every = 2 ** Math.max(0, Math.ceil(Math.log2(groups / SAMPLED_GROUPS_MAX)));
    const sampled = Math.ceil(groups / this.#every);
    this.#heldTo = new Uint8Array(sampled * 8);
    this.#startTo = new Uint8Array(sampled * 8);
    this.#knownGroups = new Uint8Array(sampled);
  }

  read(block: number, slot: number): void {
    if (((slot >>> 3) & (this.#every - 1)) !== 0) return;
    const at = this.#placeOf(block, slot);
    const start = this.#startTo[at] ?? 0;
    if ((start & TOUCHED) !== 0) return;
    this.#startTo[at] = start | TOUCHED;
    this.#missedFrom[start] = (this.#missedFrom[start] ?? 0) + 1;
  }

  written(block: number, slot: number): void {
    if (((slot >>> 3) & (this.#every - 1)) !== 0) return;
    const at = this.#placeOf(block, slot);
    this.#startTo[at] = (this.#startTo[at] ?? 0) | TOUCHED;
    this.#hold(at, 0);
  }

  /** The block is zeros now: there is nothing to send. */
  zeroed(block: number, slot: number): void {
    if (((slot >>> 3) & (this.#every - 1)) !== 0) return;
    this.written(block, slot);
    this.#hold(this.#placeOf(block, slot), S_GRID.length);
  }

  /** Ends the window: what each value of S would push now is pushed, and the next window begins. */
  sweep(): ShadowWindow {
    const pushedUpTo = new Float64Array(S_GRID.length + 1);
    const pushedBefore = new Float64Array(S_GRID.length + 1);
    const sampled = Math.ceil(this.#heat.index.groups / this.#every);
    for (let group = 0; group < sampled; group++) {
      if (this.#knownGroups[group] === 0) continue;
      for (let at = group * 8; at < group * 8 + 8; at++) {
        const before = this.#heldTo[at] ?? 0;
        const reached = before >= S_GRID.length ? 0 : this.#reachedAt(group, at);
        if (reached > before) {
          pushedUpTo[reached] = (pushedUpTo[reached] ?? 0) + 1;
          pushedBefore[before] = (pushedBefore[before] ?? 0) + 1;
          this.#hold(at, reached);
        }
        this.#startTo[at] = this.#heldTo[at] ?? 0;
      }
    }
    const missed = this.#perValue((index) => this.#sum(this.#missedFrom, 0, index + 1));
    const held = this.#perValue((index) => this.#sum(this.#heldBy, index + 1, S_GRID.length + 1));
    const pushed = this.#perValue(
      (index) =>
        this.#sum(pushedUpTo, index + 1, S_GRID.length + 1) - this.#sum(pushedBefore, index + 1, S_GRID.length + 1),
    );
    this.#missedFrom.fill(0);
    return { missed, pushed, held };
  }

  #reachedAt(group: number, at: number): number {
    const slot = group * this.#every * 8 + (at & 7);
    const { unit } = this.#heat;
    return reachedBy(ratioOf(this.#heat.readsOf(slot) / unit, this.#heat.writesOf(slot) / unit));
  }

  /** The sampled block's place; the first time its group is met, what the destination has of it. */
  #placeOf(block: number, slot: number): number {
    const group = (slot >>> 3) / this.#every;
    if (this.#knownGroups[group] === 0) {
      this.#knownGroups[group] = 1;
      for (let at = 0; at < 8; at++) {
        const to = this.#isHeld((block & ~7) + at) ? S_GRID.length : 0;
        this.#heldTo[group * 8 + at] = to;
        this.#startTo[group * 8 + at] = to;
        this.#heldBy[to] = (this.#heldBy[to] ?? 0) + 1;
      }
    }
    return group * 8 + (slot & 7);
  }

  #hold(at: number, to: number): void {
    const before = this.#heldTo[at] ?? 0;
    this.#heldBy[before] = (this.#heldBy[before] ?? 0) - 1;
    this.#heldBy[to] = (this.#heldBy[to] ?? 0) + 1;
    this.#heldTo[at] = to;
  }

  #perValue(blocksAt: (index: number) => number): number[] {
    return S_GRID.map((_, index) => blocksAt(index) * this.#every);
  }

  #sum(values: Float64Array, from: number, end: number): number {
    let sum = 0;
    for (let index = from; index < end; index++) sum += values[index] ?? 0;
    return sum;
  }
}
