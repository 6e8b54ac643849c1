// One layer at this node with the way to what of it is elsewhere. Images that share the layer share this, so that a block
// is fetched once for all of them. It never writes anything that the layer's table does not name already.
import type { Clock, Timer } from '../../common/clock.ts';
import type { ImageStore } from '../store/image-store.ts';
import { BlockFetcher, type FetchCause, type FetcherParts } from './block-fetcher.ts';

/** What came of a layer that nobody flushes is durable after this: a restart need not fetch it again. */
const KEPT_BARRIER_MS = 1_000;

export interface LayerParts extends FetcherParts {
  readonly clock: Clock;
}

/** The blocks of one layer. */
export class LayerBlocks {
  readonly store: ImageStore;
  readonly #fetcher: BlockFetcher;
  readonly #clock: Clock;
  #barrier: Timer | undefined;

  constructor(parts: LayerParts) {
    this.store = parts.store;
    this.#clock = parts.clock;
    this.#fetcher = new BlockFetcher(parts);
  }

  /** Of this layer, for whichever image. */
  get fetchedBlocks(): Readonly<Record<FetchCause, number>> {
    return this.#fetcher.fetchedBlocks;
  }

  /** Blocks that were asked of other nodes and are not here yet. */
  get queuedBlocks(): number {
    return this.#fetcher.queuedBlocks;
  }

  /** Makes what is missing here of the blocks local. @throws OperationError BLOCKS_LOST, or the disk's error */
  async fetch(first: number, end: number, cause: FetchCause): Promise<void> {
    await this.#fetcher.fetch(first, end, cause);
    if (this.store.state.role === 'sealed') this.#armBarrier();
  }

  #armBarrier(): void {
    if (this.#barrier !== undefined || !this.store.table.hasChanges || this.store.failure !== undefined) return;
    this.#barrier = this.#clock.setTimer(KEPT_BARRIER_MS, () => {
      this.#barrier = undefined;
      // What cannot be kept is fetched again after the next start.
      this.store.flush()?.catch(() => this.store.failure);
    });
  }
}
