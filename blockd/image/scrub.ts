// Reads what this store has of its layers while nobody asks for it, so that rot is found while another holder still has
// the block. One range at a time over all layers, at a stated rate; never served to anyone.
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA, HERE } from '../table/version-run.ts';
import type { LayerBlocks } from './layer-blocks.ts';

/** 1 MiB in one step: a tenth of a ms of checksums, and a disk reads it in one go. */
const STEP_BLOCKS = 256;
/** 4 MiB/s over all layers: 100 GB in seven hours, and hardly seen by a guest. */
const STEP_INTERVAL_MS = 250;
/** From the end of one pass over all layers to the next. */
const PASS_INTERVAL_MS = 24 * 60 * 60 * 1000;

/** What a scrub needs of a layer. */
type ScrubbedLayer = Pick<LayerBlocks, 'store' | 'fetch'>;

export interface ScrubParts {
  readonly layers: () => readonly ScrubbedLayer[];
  readonly clock: Clock;
  readonly log: Log;
}

/** The scrub of one store. */
export class Scrub {
  readonly #parts: ScrubParts;
  #timer: Timer | undefined;
  #isStopped = false;
  /** The layers of this pass that are still to be read, and how far the first one is. */
  #left: readonly ScrubbedLayer[] = [];
  #block = 0;

  constructor(parts: ScrubParts) {
    this.#parts = parts;
  }

  /** Begins a pass after the interval of a step; passes follow one another daily. */
  start(): void {
    this.#left = this.#parts.layers();
    this.#wait(STEP_INTERVAL_MS);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #wait(ms: number): void {
    if (!this.#isStopped) this.#timer = this.#parts.clock.setTimer(ms, () => void this.#step());
  }

  /** One range, or the end of a layer, or of the pass. Never rejects. */
  async #step(): Promise<void> {
    const [layer, ...others] = this.#left;
    if (layer === undefined) {
      this.#left = this.#parts.layers();
      this.#wait(PASS_INTERVAL_MS);
      return;
    }
    const end = await this.#readNext(layer);
    this.#block = end ?? 0;
    if (end === undefined) this.#left = others;
    this.#wait(STEP_INTERVAL_MS);
  }

  /** Reads the next range that is here and answers its end; undefined when the layer has no more, or left meanwhile. */
  async #readNext(layer: ScrubbedLayer): Promise<number | undefined> {
    const { table, blocks, failure } = layer.store;
    let first = this.#block;
    while (first < blocks && table.contentOf(first) !== (DATA | HERE)) first = table.endOfContent(first, blocks);
    if (first >= blocks || failure !== undefined || !this.#parts.layers().includes(layer)) return undefined;
    const end = table.endOfContent(first, Math.min(blocks, first + STEP_BLOCKS));
    try {
      // Not waited for: a holder that cannot be reached holds up the healing, not the search.
      for (const block of await layer.store.file.findSpoilt(first, end)) void this.#heal(layer, block);
    } catch (error) {
      this.#parts.log.warn(
        { layer: layer.store.layer, image: layer.store.image, first, end, reason: messageOf(error) },
        'blocks were not scrubbed',
      );
    }
    return end;
  }

  /** Never rejects. */
  async #heal(layer: ScrubbedLayer, block: number): Promise<void> {
    const { log } = this.#parts;
    const where = { layer: layer.store.layer, image: layer.store.image, block, offset: block * BLOCK_BYTES };
    log.error(where, 'a block has rotted');
    try {
      await layer.fetch(block, block + 1, 'background');
      log.info(where, 'the block was fetched from another store');
    } catch (error) {
      log.error({ ...where, reason: messageOf(error) }, 'the block could not be healed');
    }
  }
}
