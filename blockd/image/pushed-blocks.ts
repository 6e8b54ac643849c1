// What another store offers of an image that it writes: taken only where the tables here name the very same versions, by
// the same fetches as everything else, so that what comes is verified and installed under the block's lock (SOUNDNESS A6).
import { blocksIn } from '../peer/frame-fields.ts';
import type { WantedRun } from './block-fetcher.ts';
import { IN_FILE } from './block-stack.ts';
import type { Image } from './image.ts';
import type { LayerBlocks } from './layer-blocks.ts';

/** Blocks on their way here because of offers, beyond which more are refused: the writer has 2 MiB under way. */
const COMING_BLOCKS_MAX = 4_096;

/** The offers that one image's store gets. */
export class PushedBlocks {
  readonly #image: Image;
  #comingBlocks = 0;

  constructor(image: Image) {
    this.#image = image;
  }

  /** Whether the image is about to be written here. */
  get isComing(): boolean {
    return this.#image.store.state.role === 'standby';
  }

  /** Whether all of these blocks are here in these versions, durably. Fetches what is missing; never rejects. */
  async take(layerName: string, runs: readonly WantedRun[]): Promise<boolean> {
    const layer = this.#image.stack.layers.find(({ store }) => store.layer === layerName);
    const { role } = this.#image.store.state;
    const count = blocksIn(runs);
    if (layer === undefined || (role !== 'replica' && role !== 'standby')) return false;
    if (this.#comingBlocks + count > COMING_BLOCKS_MAX || !areNamed(layer, runs)) return false;
    this.#comingBlocks += count;
    try {
      await Promise.all(runs.map(({ first, count: blocks }) => layer.fetch(first, first + blocks, 'pushed')));
      await layer.store.flush();
      return areNamed(layer, runs) && areHere(layer, runs);
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

function areHere({ store }: LayerBlocks, runs: readonly WantedRun[]): boolean {
  return everyBlock(runs, (block) => store.table.contentOf(block) === IN_FILE);
}

function everyBlock(runs: readonly WantedRun[], holds: (block: number, run: WantedRun) => boolean): boolean {
  return runs.every((run) => {
    for (let block = run.first; block < run.first + run.count; block++) if (!holds(block, run)) return false;
    return true;
  });
}
