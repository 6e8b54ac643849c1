// Gives back the room of what no layer needs any more: data in a layer's file where its table has no data here, as newer
// versions that are elsewhere, or a crash while copies were let go of, leave it. Layers that are open look after themselves.
import { type Clock, pause, type Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import { blocksOfExtent } from '../store/active-extents.ts';

const LOOK_MS = 60_000;
/** Between two regions of 4 MiB. */
const STEP_MS = 10;

export interface ReclaimParts {
  /** The layers that nobody writes, reads or opens here. */
  readonly layers: () => readonly LayerBlocks[];
  readonly clock: Clock;
  readonly log: Log;
}

/** The reclaim of one store. */
export class Reclaim {
  readonly #parts: ReclaimParts;
  /** What the layer's table was when all of it had been looked at. */
  readonly #done = new WeakMap<LayerBlocks, string>();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: ReclaimParts) {
    this.#parts = parts;
  }

  start(): void {
    if (!this.#isStopped) this.#timer = this.#parts.clock.setTimer(LOOK_MS, () => void this.#look());
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    for (const layer of this.#parts.layers()) {
      const { digest } = layer.store.table.mark;
      if (this.#done.get(layer) === digest || layer.store.table.hasChanges) continue;
      if (await this.#reclaim(layer)) this.#done.set(layer, digest);
    }
    this.start();
  }

  /** False when it is to be done again: the disk refused, or somebody opened the layer. */
  async #reclaim(layer: LayerBlocks): Promise<boolean> {
    const { table, copies, blocks, spoilt, layer: name } = layer.store;
    for (let region = 0; ; region++) {
      const [first, end] = blocksOfExtent(region, blocks);
      if (first >= blocks) return true;
      if (this.#isStopped || !this.#parts.layers().includes(layer)) return false;
      // What is missing since it could not be read is not to be lost for good.
      if (table.nextMissing(first, end, 1) === undefined || spoilt.isIn(region)) continue;
      try {
        await copies.reclaim(first, end);
      } catch (error) {
        this.#parts.log.warn({ layer: name, reason: messageOf(error) }, 'room was not given back');
        return false;
      }
      await pause(this.#parts.clock, STEP_MS);
    }
  }
}
