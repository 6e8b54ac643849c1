// Reads what this store has of its layers while nobody asks for it, so that rot is found while another holder still has
// the block. One range at a time over all layers, at a stated rate; never served to anyone.
import type { Clock, Timer } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import type { Healings } from './healings.ts';
import { type ScrubbedLayer, scrubNext } from './layer-scrub.ts';

/** 4 MiB/s over all layers: 100 GB in seven hours, and hardly seen by a guest. */
const STEP_INTERVAL_MS = 250;
/** From the end of one pass over all layers to the next. */
const PASS_INTERVAL_MS = 24 * 60 * 60 * 1000;

export interface ScrubParts {
  readonly layers: () => readonly ScrubbedLayer[];
  readonly healings: Pick<Healings, 'add'>;
  readonly clock: Clock;
  readonly log: Log;
  /** All of a layer has been read. Never rejects. */
  readonly done: (layer: string) => Promise<void>;
}

/** The scrub of one store. */
export class Scrub {
  readonly #parts: ScrubParts;
  #timer: Timer | undefined;
  #isStopped = false;
  /** The layers of this pass that are still to be read, and how far the first one is. */
  #left: readonly ScrubbedLayer[] = [];
  #block = 0;
  /** Blocks of that one that could not be read, for another reason than that they rotted. */
  #unread = 0;

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
    const { log, layers, healings, done } = this.#parts;
    const isHere = layers().includes(layer);
    const step = isHere ? await scrubNext(layer, this.#block, log) : undefined;
    // Not waited for: a holder that cannot be reached holds up the healing, not the search.
    for (const block of step?.rotten ?? []) void healings.add(layer, block);
    this.#block = step?.end ?? 0;
    this.#unread += step?.unreadBlocks ?? 0;
    if (step === undefined) {
      this.#left = others;
      if (isHere && this.#unread === 0 && layer.store.failure === undefined) await done(layer.store.layer);
      this.#unread = 0;
    }
    this.#wait(STEP_INTERVAL_MS);
  }
}
