// Which extents of the data file may hold data that no record describes: a write marks its extents durably first, and
// after an unclean stop exactly these get new versions (SOUNDNESS A3). Pure bookkeeping.
import { BLOCK_BYTES } from '../table/block-version.ts';

/** 4 MiB, as DRBD's activity log; a sequential load makes one durable mark per 8,192 first writes. */
export const EXTENT_BLOCKS = (4 * 2 ** 20) / BLOCK_BYTES;

/** 28 MiB: after a crash so much more is read again at most. */
const AHEAD = 7;

const IDLE = 0;
const ACTIVE = 1;
/** Active, and written since the last checkpoint: stays marked, it is likely to be written again. */
const HOT = 2;

/** The extents of one image. */
export class ActiveExtents {
  readonly blocks: number;
  readonly #state: Uint8Array;

  constructor(blocks: number, active: Iterable<number> = []) {
    this.blocks = blocks;
    this.#state = new Uint8Array(Math.ceil(blocks / EXTENT_BLOCKS));
    this.add(active);
  }

  /** The extents of the blocks from `first` to before `end` that are not active. */
  idleOf(first: number, end: number): number[] {
    const idle: number[] = [];
    for (let extent = extentOf(first); extent <= extentOf(end - 1); extent++) {
      if (this.#state[extent] === IDLE) idle.push(extent);
    }
    return idle;
  }

  /** The idle extents that come next in a load that goes through the image; none unless the one before is active. */
  aheadOf(extent: number): number[] {
    if (extent === 0 || this.#state[extent - 1] === IDLE) return [];
    const ahead = Array.from({ length: AHEAD }, (_, index) => extent + 1 + index);
    return ahead.filter((next) => this.#state[next] === IDLE);
  }

  /** Notes a write; false, and nothing is noted, when some extent of it is not active. */
  touch(first: number, end: number): boolean {
    const last = extentOf(end - 1);
    for (let extent = extentOf(first); extent <= last; extent++) if (this.#state[extent] === IDLE) return false;
    for (let extent = extentOf(first); extent <= last; extent++) this.#state[extent] = HOT;
    return true;
  }

  isActive(extent: number): boolean {
    return this.#state[extent] !== IDLE;
  }

  add(extents: Iterable<number>): void {
    for (const extent of extents) if (this.#state[extent] === IDLE) this.#state[extent] = ACTIVE;
  }

  /** Everything written so far is about to be durable: extents not written lately go idle, the rest cools down. */
  cool(): void {
    for (let extent = 0; extent < this.#state.length; extent++) {
      this.#state[extent] = this.#state[extent] === HOT ? ACTIVE : IDLE;
    }
  }

  clear(): void {
    this.#state.fill(IDLE);
  }

  list(): number[] {
    const list: number[] = [];
    this.#state.forEach((state, extent) => {
      if (state !== IDLE) list.push(extent);
    });
    return list;
  }
}

/** The blocks of an extent in an image of so many. */
export function blocksOfExtent(extent: number, blocks: number): [first: number, end: number] {
  return [extent * EXTENT_BLOCKS, Math.min((extent + 1) * EXTENT_BLOCKS, blocks)];
}

/** The extent that a block lies in. */
export function extentOf(block: number): number {
  return Math.floor(block / EXTENT_BLOCKS);
}
