// Rotten blocks that are looked for at other stores: some at once, each for a while, and again after a pause as long as nobody
// who may have it answers. While a block is looked for its layer's files are needed, and a merge that is through with them waits.
import { type Clock, type Timer, within } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import { patienceWithAll } from '../layers/block-fetcher.ts';
import { type Healing, heal, type ScrubbedLayer } from './layer-scrub.ts';

/** A disk that rots as a whole asks the others for no more at once. */
export const HEALED_AT_ONCE = 32;
/** What waits for the layer's files has its turn meanwhile, and so have other blocks. */
export const REST_MS = 60_000;

export interface HealingsParts {
  /** Whether the layer is still one of this store's. */
  readonly isHere: (layer: ScrubbedLayer) => boolean;
  readonly members: () => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

interface RottenBlock {
  readonly layer: ScrubbedLayer;
  readonly block: number;
  readonly ended: (how: Healing) => void;
}

/** What rotted at one store and is not healed yet. */
export class Healings {
  readonly #parts: HealingsParts;
  #due: RottenBlock[] = [];
  #resting: { readonly rotten: RottenBlock; readonly untilMs: number }[] = [];
  #running = 0;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: HealingsParts) {
    this.#parts = parts;
  }

  /** Settles when the block is healed, or cannot be; never while somebody who may have it is away. */
  add(layer: ScrubbedLayer, block: number): Promise<Healing> {
    return new Promise((ended) => {
      this.#due.push({ layer, block, ended });
      this.#next();
    });
  }

  /** Nothing more is begun. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #next(): void {
    if (this.#isStopped) return;
    this.#wake();
    while (this.#running < HEALED_AT_ONCE) {
      const rotten = this.#due.shift();
      if (rotten === undefined) break;
      void this.#look(rotten);
    }
  }

  /** Those whose rest is over are due, after all that were so before. */
  #wake(): void {
    const { clock } = this.#parts;
    const nowMs = clock.nowMs();
    this.#due.push(...this.#resting.filter(({ untilMs }) => untilMs <= nowMs).map(({ rotten }) => rotten));
    this.#resting = this.#resting.filter(({ untilMs }) => untilMs > nowMs);
    this.#timer?.cancel();
    const [first] = this.#resting;
    this.#timer = first && clock.setTimer(first.untilMs - nowMs, () => this.#next());
  }

  /** Never rejects. */
  async #look(rotten: RottenBlock): Promise<void> {
    const { members, clock, log, isHere } = this.#parts;
    const { layer, block, ended } = rotten;
    this.#running++;
    const how = await within(clock, patienceWithAll(members()), (giveUp) => heal(layer, block, log, giveUp));
    this.#running--;
    if (how !== undefined || !isHere(layer)) ended(how ?? 'failed');
    else this.#resting.push({ rotten, untilMs: clock.nowMs() + REST_MS });
    this.#next();
  }
}
