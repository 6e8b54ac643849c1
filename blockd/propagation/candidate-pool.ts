// The best blocks that a scan has found, by level of priority, in an amount of memory that never grows: when it is full
// the worst make room. What falls out is found again by the next scan.
import { LEVELS } from './push-priority.ts';

const NONE = -1;

/** Blocks by level; within a level in the order in which they came. */
export class CandidatePool {
  readonly #blocks: Uint32Array;
  readonly #next: Int32Array;
  readonly #heads = new Int32Array(LEVELS).fill(NONE);
  readonly #tails = new Int32Array(LEVELS).fill(NONE);
  #free = NONE;
  #used = 0;
  #size = 0;
  #highest = -1;
  #lowest = LEVELS;

  constructor(capacity: number) {
    this.#blocks = new Uint32Array(capacity);
    this.#next = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size === this.#blocks.length;
  }

  /** The level of what `take` would take, -1 when there is nothing. */
  get level(): number {
    while (this.#highest >= 0 && this.#heads[this.#highest] === NONE) this.#highest--;
    return this.#highest;
  }

  /** Takes the block in, unless it is full of blocks that are no worse. */
  add(block: number, level: number): void {
    const place = this.#room(level);
    if (place === NONE) return;
    this.#blocks[place] = block;
    this.#next[place] = NONE;
    const tail = this.#tails[level] ?? NONE;
    if (tail === NONE) this.#heads[level] = place;
    else this.#next[tail] = place;
    this.#tails[level] = place;
    this.#size++;
    this.#highest = Math.max(this.#highest, level);
    this.#lowest = Math.min(this.#lowest, level);
  }

  /** The first of the highest level, out of the pool; -1 when there is nothing. */
  take(): number {
    const { level } = this;
    return level < 0 ? NONE : this.#pop(level);
  }

  clear(): void {
    this.#heads.fill(NONE);
    this.#tails.fill(NONE);
    this.#free = NONE;
    this.#used = 0;
    this.#size = 0;
    this.#highest = -1;
    this.#lowest = LEVELS;
  }

  #room(level: number): number {
    if (this.#used < this.#blocks.length) return this.#used++;
    if (this.#free === NONE) {
      while (this.#lowest < LEVELS && this.#heads[this.#lowest] === NONE) this.#lowest++;
      if (this.#lowest >= level) return NONE;
      this.#pop(this.#lowest);
    }
    const place = this.#free;
    this.#free = this.#next[place] ?? NONE;
    return place;
  }

  #pop(level: number): number {
    const place = this.#heads[level] ?? NONE;
    this.#heads[level] = this.#next[place] ?? NONE;
    if (this.#heads[level] === NONE) this.#tails[level] = NONE;
    this.#next[place] = this.#free;
    this.#free = place;
    this.#size--;
    return this.#blocks[place] ?? NONE;
  }
}
