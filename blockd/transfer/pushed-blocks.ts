// What another store offers of an image that it writes: taken only where the tables here name the very same versions, by
// the same fetches as everything else, so that what comes is verified and installed under the block's lock (SOUNDNESS A6).
import type { PropagationMemory } from '../../wire/contracts/propagation.ts';
import { IN_FILE } from '../image/block-stack.ts';
import type { Image } from '../image/image.ts';
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import { blocksIn } from '../peer/frame-fields.ts';
import type { OfferTaker } from '../peer/heard-offers.ts';
import { DATA, type VersionRun } from '../table/version-run.ts';
import type { ImageArrival } from './image-arrival.ts';

/** Blocks on their way here because of offers, beyond which more are refused: the writer has 2 MiB under way. */
const COMING_BLOCKS_MAX = 4_096;

/** The offers that one image's store gets. */
export class PushedBlocks implements OfferTaker {
  readonly #image: Image;
  readonly #arrival: ImageArrival;
  #comingBlocks = 0;

  constructor(image: Image, arrival: ImageArrival) {
    this.#image = image;
    this.#arrival = arrival;
  }

  /** Whether the image is about to be written here. */
  get isComing(): boolean {
    return this.#image.store.state.role === 'standby';
  }

  told(run: VersionRun): void {
    this.#arrival.told(run);
  }

  heardHeat(summary: Uint8Array): boolean {
    return this.#arrival.heardHeat(summary);
  }

  heardMemory(memory: PropagationMemory): void {
    this.#arrival.heardMemory(memory);
  }

  /** Whether all of these blocks are here in these versions, durably. Fetches what is missing; never rejects. */
  async take(layerName: string, runs: readonly WantedRun[]): Promise<boolean> {
    const layer = this.#image.stack.layers.find(({ store }) => store.layer === layerName);
    const { role } = this.#image.store.state;
    const count = blocksIn(runs);
    if (layer === undefined || (role !== 'replica' && role !== 'standby')) return false;
    if (this.#comingBlocks + count > COMING_BLOCKS_MAX || !areNamed(layer, runs)) return false;
    this.#comingBlocks += count;
    const missing = missingOf(layer, runs);
    try {
      await Promise.all(runs.map(({ first, count: blocks }) => layer.fetch(first, first + blocks, 'pushed')));
      await layer.store.flush();
      if (!areNamed(layer, runs) || !areHere(layer, runs)) return false;
      for (const block of missing) this.#arrival.pushed(block, 1);
      return true;
    } catch {
      // Nobody had it any more, or there is no room here: the writer's table says what is missing.
      return false;
    } finally {
      this.#comingBlocks -= count;
    }
  }
}

/** Whether the layer's table names the very versions. */
function areNamed({ store }: LayerBlocks, runs: readonly WantedRun[]): boolean {
  return everyBlock(runs, (block, { high, low }) => block < store.blocks && store.table.equals(block, high, low));
}

/** The blocks that are to come. */
function missingOf({ store }: LayerBlocks, runs: readonly WantedRun[]): number[] {
  const missing: number[] = [];
  everyBlock(runs, (block) => {
    if (store.table.contentOf(block) === DATA) missing.push(block);
    return true;
  });
  return missing;
}

function areHere({ store }: LayerBlocks, runs: readonly WantedRun[]): boolean {
  return everyBlock(runs, (block) => store.table.contentOf(block) === IN_FILE);
}

function everyBlock(runs: readonly WantedRun[], holds: (block: number, run: WantedRun) => boolean): boolean {
  return runs.every((run) => {
    for (let block = run.first; block < run.first + run.count; block++) if (!holds(block, run)) return false;
    return true;
  });
}
