// When the parts of a layer were last of use to anyone: what is let go of first. One number per 4 MiB, counted in turns of
// whoever looks at them, so that a read costs one store. Nothing of it outlives the daemon.
import { EXTENT_BLOCKS } from './active-extents.ts';

/** The regions of one layer. */
export class RegionUse {
  readonly #last: Uint32Array;
  /** Goes up from time to time; what is used between two steps counts as used at once. */
  turn = 0;

  constructor(blocks: number) {
    this.#last = new Uint32Array(Math.ceil(blocks / EXTENT_BLOCKS));
  }

  get regions(): number {
    return this.#last.length;
  }

  /** Blocks were read, came, or were given to another store. */
  note(first: number, end: number): void {
    const last = Math.floor((end - 1) / EXTENT_BLOCKS);
    for (let region = Math.floor(first / EXTENT_BLOCKS); region <= last; region++) this.#last[region] = this.turn;
  }

  /** The turn in which the region was last used; 0 if it was not since the start. */
  lastOf(region: number): number {
    return this.#last[region] ?? 0;
  }
}
