// The frequencies of an image's blocks added up over cells of equal size, for people. Goes over them in steps, since a
// large image has millions of groups; changes nothing.
import type { HeatMap } from '../../wire/contracts/heat.ts';
import { GROUP_BLOCKS } from '../table/group-index.ts';
import type { BlockHeat } from './block-heat.ts';

/** Hundredths of an event are more than anybody sees. */
const DECIMALS = 100;

/** One look at an image's heat. */
export class HeatMapSurvey {
  readonly #heat: BlockHeat;
  readonly #cellBlocks: number;
  readonly #reads: Float64Array;
  readonly #writes: Float64Array;
  #cursor = 0;

  /** At most so many cells. */
  constructor(heat: BlockHeat, cellsMax: number) {
    const { blocks } = heat.index;
    this.#heat = heat;
    this.#cellBlocks = Math.max(1, Math.ceil(blocks / cellsMax));
    this.#reads = new Float64Array(Math.ceil(blocks / this.#cellBlocks));
    this.#writes = new Float64Array(this.#reads.length);
  }

  /** Looks at so many more groups; true when that was all. */
  step(groupsMax: number): boolean {
    const { index } = this.#heat;
    for (let seen = 0; seen < groupsMax; seen++) {
      const first = index.nextGroup(this.#cursor);
      if (first >= index.blocks) return true;
      this.#cursor = first + GROUP_BLOCKS;
      this.#look(first);
    }
    return false;
  }

  /** Of what was looked at. */
  get map(): HeatMap {
    const { unit } = this.#heat;
    const inEvents = (sums: Float64Array): number[] =>
      Array.from(sums, (sum) => Math.round((DECIMALS * sum) / unit) / DECIMALS);
    return { cellBlocks: this.#cellBlocks, reads: inEvents(this.#reads), writes: inEvents(this.#writes) };
  }

  /** The blocks of a group may lie in several cells. */
  #look(first: number): void {
    const slot = this.#heat.index.slotOf(first);
    for (let at = 0; at < GROUP_BLOCKS; at++) {
      const cell = Math.floor((first + at) / this.#cellBlocks);
      this.#reads[cell] = (this.#reads[cell] ?? 0) + this.#heat.readsOf(slot + at);
      this.#writes[cell] = (this.#writes[cell] ?? 0) + this.#heat.writesOf(slot + at);
    }
  }
}
