// Rotten blocks that are looked for at other stores: some at once, each for a while, and again after a pause as long as nobody
// who may have it answers. While a block is looked for its layer's files are needed, and a merge that is through with them waits:
// a layer rests as a whole.
import { type Clock, type Timer, within } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import { patienceWithAll } from '../layers/block-fetcher.ts';
import { type Healing, heal, type ScrubbedLayer } from './layer-scrub.ts';

/** A disk that rots as a whole asks the others for no more at once. */
export const HEALED_AT_ONCE = 32;
/** So long none of a layer's is looked for once one was given up: what waits for the layer's files has its turn then. */
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

/** What rotted of one layer, and how it stands with its looks. */
interface LayerLooks {
  readonly due: RottenBlock[];
  /** All that have not ended: whoever finds one again waits for the same. */
  readonly known: Map<number, Promise<Healing>>;
  running: number;
  /** While some run after one was given up, and until then, none is begun. */
  restsUntilMs: number | undefined;
}

/** What rotted at one store and is not healed yet. */
export class Healings {
  readonly #parts: HealingsParts;
  /** Whose turn is next is first. */
  readonly #layers = new Map<ScrubbedLayer['store'], LayerLooks>();
  #running = 0;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: HealingsParts) {
    this.#parts = parts;
  }

  /** Settles when the block is healed, or cannot be; never while somebody who may have it is away. */
  add(layer: ScrubbedLayer, block: number): Promise<Healing> {
    const looks = this.#looksAt(layer);
    const known = looks.known.get(block);
    if (known !== undefined) return known;
    const { promise, resolve } = Promise.withResolvers<Healing>();
    looks.known.set(block, promise);
    const ended = (how: Healing): void => {
      looks.known.delete(block);
      resolve(how);
    };
    looks.due.push({ layer, block, ended });
    this.#next();
    return promise;
  }

  #looksAt({ store }: ScrubbedLayer): LayerLooks {
    const looks = this.#layers.get(store) ?? { due: [], known: new Map(), running: 0, restsUntilMs: undefined };
    this.#layers.set(store, looks);
    return looks;
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
      const rotten = this.#take();
      if (rotten === undefined) break;
      void this.#look(rotten);
    }
  }

  /** Layers take turns. */
  #take(): RottenBlock | undefined {
    for (const [store, looks] of this.#layers) {
      const rotten = looks.restsUntilMs === undefined ? looks.due.shift() : undefined;
      if (rotten === undefined) continue;
      this.#layers.delete(store);
      this.#layers.set(store, looks);
      return rotten;
    }
    return undefined;
  }

  /** Layers whose rest is over have their turn; it is looked again when the next one's is. */
  #wake(): void {
    const { clock } = this.#parts;
    const nowMs = clock.nowMs();
    this.#timer?.cancel();
    let firstMs = Number.POSITIVE_INFINITY;
    for (const [store, looks] of this.#layers) {
      const { running, restsUntilMs = 0, known } = looks;
      if (running > 0) continue;
      if (restsUntilMs > nowMs) firstMs = Math.min(firstMs, restsUntilMs);
      else if (known.size > 0) looks.restsUntilMs = undefined;
      else this.#layers.delete(store);
    }
    if (firstMs < Number.POSITIVE_INFINITY) this.#timer = clock.setTimer(firstMs - nowMs, () => this.#next());
  }

  /** Never rejects. */
  async #look(rotten: RottenBlock): Promise<void> {
    const { members, clock, log, isHere } = this.#parts;
    const { layer, block, ended } = rotten;
    const looks = this.#looksAt(layer);
    this.#running++;
    looks.running++;
    const how = await within(clock, patienceWithAll(members()), (giveUp) => heal(layer, block, log, giveUp));
    this.#running--;
    looks.running--;
    if (how !== undefined || !isHere(layer)) ended(how ?? 'failed');
    else {
      looks.due.push(rotten);
      looks.restsUntilMs = clock.nowMs() + REST_MS;
    }
    this.#next();
  }
}
