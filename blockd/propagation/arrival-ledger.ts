// At the destination: what became of the blocks that were pushed to it. A block was useful when the guest read it here
// within ten minutes of its arrival, before anything overwrote it; every other one was wasted. Pure.
import { GroupIndex } from '../table/group-index.ts';
import { WINDOW_MS } from './s-tuner.ts';
import { SlotBits } from './slot-bits.ts';

/** How long after the guest's arrival a read makes a pushed block useful. */
export const USEFUL_MS = 600_000;

/** In blocks. `pending`: pushed here and neither read nor overwritten yet. */
export interface ArrivalCounts {
  readonly useful: number;
  readonly wasted: number;
  readonly pending: number;
  /** Blocks that the guest had to wait for in its first minute here. */
  readonly missed: number;
}

/** One image at its destination, from the first block that is pushed to ten minutes after the guest's arrival. */
export class ArrivalLedger {
  readonly #index: GroupIndex;
  readonly #unread = new SlotBits();
  #pending = 0;
  #useful = 0;
  #wasted = 0;
  #missed = 0;
  #arrivedMs: number | undefined;

  constructor(blocks: number) {
    this.#index = new GroupIndex(blocks);
  }

  /** Pushed here, and neither read nor overwritten yet. */
  get pendingBlocks(): number {
    return this.#pending;
  }

  /** A pushed block was installed. */
  pushed(first: number, count: number): void {
    for (let block = first; block < first + count; block++) {
      if (this.#unread.set(this.#index.makeSlot(block))) this.#pending++;
    }
  }

  /** The source has a newer version, or the guest writes here. */
  overwritten(first: number, count: number): void {
    this.#wasted += this.#settle(first, count);
  }

  /** The guest runs here from now on. */
  arrived(nowMs: number): void {
    this.#arrivedMs = nowMs;
  }

  /** The guest reads; `missed`: how many of the blocks it has to wait for. */
  read(first: number, count: number, missed: number, nowMs: number): void {
    if (this.#arrivedMs === undefined || this.isOver(nowMs)) return;
    this.#useful += this.#settle(first, count);
    if (nowMs - this.#arrivedMs < WINDOW_MS) this.#missed += missed;
  }

  /** Whether the ten minutes are over: what is pending then was wasted. */
  isOver(nowMs: number): boolean {
    return this.#arrivedMs !== undefined && nowMs - this.#arrivedMs >= USEFUL_MS;
  }

  /** Whether `missed` is final. */
  isFirstMinuteOver(nowMs: number): boolean {
    return this.#arrivedMs !== undefined && nowMs - this.#arrivedMs >= WINDOW_MS;
  }

  counts(nowMs: number): ArrivalCounts {
    const over = this.isOver(nowMs) ? this.#pending : 0;
    return {
      useful: this.#useful,
      wasted: this.#wasted + over,
      pending: this.#pending - over,
      missed: this.#missed,
    };
  }

  #settle(first: number, count: number): number {
    if (this.#pending === 0) return 0;
    let settled = 0;
    for (let block = first; block < first + count; block++) {
      const slot = this.#index.slotOf(block);
      if (slot >= 0 && this.#unread.clear(slot)) settled++;
    }
    this.#pending -= settled;
    return settled;
  }
}
