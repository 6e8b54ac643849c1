// One layer at this node with the way to what of it is elsewhere. Images that share the layer share this, so that a block
// is fetched once for all of them. It never writes anything that the layer's table does not name already.
import type { Clock, Timer } from '../../common/clock.ts';
import { codeOf, OperationError } from '../../common/errors.ts';
import type { MergedLayer } from '../../wire/contracts/layers.ts';
import { missingIn } from '../image/block-range.ts';
import { isOpen } from '../image/image-roles.ts';
import type { ImageStore } from '../store/image-store.ts';
import { BlockFetcher, type FetchCause, type FetcherParts } from './block-fetcher.ts';
import { takeBlocks } from './merge-steps.ts';
import { MergedSource } from './merged-source.ts';

/** What came of a layer that nobody flushes is durable after this: a restart need not fetch it again. */
const KEPT_BARRIER_MS = 1_000;

export interface LayerParts extends FetcherParts {
  readonly clock: Clock;
  /** Which layers may not be here; without it all may. */
  readonly pins?: LayerPins;
  /** The layer here that this one was merged into, as it has come from elsewhere: some blocks may be in that alone. */
  readonly mergedInto?: () => ImageStore | undefined;
  /** Told of blocks that somebody waited for and that no node has. */
  readonly lost?: (error: unknown) => void;
}

/** What a layer asks of the pins. */
export interface LayerPins {
  /** The place that the layer is pinned to, if its blocks may not be here. */
  pinnedElsewhere(layer: string): string | undefined;
  watch(listener: () => void): () => void;
}

/** The blocks of one layer. */
export class LayerBlocks {
  readonly store: ImageStore;
  /** What the table that is being heard was merged from: the state says so only once all of it is here. */
  hearsMerged: readonly MergedLayer[] = [];
  readonly #fetcher: BlockFetcher;
  readonly #clock: Clock;
  readonly #pins: LayerPins | undefined;
  readonly #mergedInto: () => ImageStore | undefined;
  readonly #lost: (error: unknown) => void;
  readonly #held = new Set<PromiseWithResolvers<void>>();
  #underWay = 0;
  #barrier: Timer | undefined;

  constructor(parts: LayerParts) {
    this.store = parts.store;
    this.#clock = parts.clock;
    this.#pins = parts.pins;
    this.#mergedInto = parts.mergedInto ?? (() => undefined);
    this.#lost = parts.lost ?? (() => undefined);
    const source = new MergedSource(parts.source, () => [...(parts.store.state.merged ?? []), ...this.hearsMerged]);
    this.#fetcher = new BlockFetcher({ ...parts, source });
  }

  /** Of this layer, for whichever image. */
  get fetchedBlocks(): Readonly<Record<FetchCause, number>> {
    return this.#fetcher.fetchedBlocks;
  }

  /** Blocks that were asked of other nodes and are not here yet. */
  get queuedBlocks(): number {
    return this.#fetcher.queuedBlocks;
  }

  /** Whether any of the blocks is. */
  isAsked(first: number, end: number): boolean {
    return this.#fetcher.isAsked(first, end);
  }

  /** The place that the layer is pinned to, if its blocks may not be here. */
  get pinnedTo(): string | undefined {
    return this.#pins?.pinnedElsewhere(this.store.layer);
  }

  /** Requests that wait until the pin is taken away. */
  get heldRequests(): number {
    return this.#held.size;
  }

  /** Their client leaves for the place: they end here, and are made again there. */
  endHeld(): void {
    for (const held of this.#held) held.reject(pinned(this.store, this.pinnedTo));
  }

  /**
   * Makes what is missing here of the blocks local; what is pinned elsewhere is waited for as long as it is.
   * @throws OperationError BLOCKS_LOST, LAYER_PINNED, FETCH_GIVEN_UP by the signal, or the disk's error
   */
  fetch(first: number, end: number, cause: FetchCause, giveUp?: AbortSignal): Promise<void> {
    return this.#counted(this.#fetch(first, end, cause, giveUp));
  }

  /** Takes what lies here under another layer's name; whether there was anything of the kind. Nobody asks himself for it. */
  async takeNear(first: number, end: number): Promise<boolean> {
    const { store } = this;
    const near = this.#mergedInto();
    const missing = missingIn(store.table, first, end);
    if (near === undefined || missing === 0) return false;
    await takeBlocks(store, near, first, end);
    return missingIn(store.table, first, end) < missing;
  }

  /** Brings what the file has of the blocks into the page cache. */
  warm(first: number, end: number): Promise<void> {
    return this.#counted(this.store.file.warm(first, end));
  }

  /** Whether a request waits for something of this layer: its files are needed. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  async #counted(work: Promise<void>): Promise<void> {
    this.#underWay++;
    try {
      await work;
    } finally {
      this.#underWay--;
    }
  }

  async #fetch(first: number, end: number, cause: FetchCause, giveUp?: AbortSignal): Promise<void> {
    while (this.pinnedTo !== undefined && this.store.table.someMissing(first, end)) {
      if (cause !== 'demand') throw pinned(this.store, this.pinnedTo);
      await this.#unpinned();
    }
    for (let isHere = false; !isHere; ) isHere = await this.#fetchOnce(first, end, cause, giveUp);
    if (!isOpen(this.store.state.role)) this.#armBarrier();
  }

  /**
   * False where it is to be asked for once more: another one had asked for some of it and has given that up, or what nobody
   * else has was here.
   */
  async #fetchOnce(first: number, end: number, cause: FetchCause, giveUp?: AbortSignal): Promise<boolean> {
    try {
      await this.#fetcher.fetch(first, end, cause, giveUp);
      return true;
    } catch (error) {
      if (codeOf(error) === 'BLOCKS_LOST') {
        if (await this.takeNear(first, end)) return false;
        if (cause === 'demand') this.#lost(error);
      }
      if (codeOf(error) !== 'FETCH_GIVEN_UP' || giveUp?.aborted === true) throw error;
      return false;
    }
  }

  async #unpinned(): Promise<void> {
    const held = Promise.withResolvers<void>();
    const unwatch = this.#pins?.watch(held.resolve);
    this.#held.add(held);
    try {
      await held.promise;
    } finally {
      this.#held.delete(held);
      unwatch?.();
    }
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

function pinned({ layer, image }: ImageStore, place = ''): OperationError {
  return new OperationError('LAYER_PINNED', `layer ${layer} of image ${image} is pinned to ${place}`, {
    remedy: 'Move the VM there, or unpin it.',
  });
}
