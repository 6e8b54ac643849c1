// Looks elsewhere for blocks that have rotted here, when another store asks for them. Nobody waits for it, so it takes an end:
// as long as something is looked for the layer's files are needed, and a merge that is through with them would wait for a node
// that may never come back.
import { type Clock, within } from '../../common/clock.ts';
import { patienceWithAll } from '../layers/block-fetcher.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';

/** After a look that was given up none begins at the layer for so long: what waits for its files gets its turn. */
export const RESTING_MS = 60_000;

/** What it needs of a layer. */
export type HealedLayer = Pick<LayerBlocks, 'fetch' | 'isAsked'>;

export class AskedHealing {
  readonly #clock: Clock;
  readonly #members: () => readonly string[];
  /** Until when nothing is looked for at a layer. */
  readonly #restsUntilMs = new WeakMap<HealedLayer, number>();

  constructor(parts: { readonly clock: Clock; readonly members: () => readonly string[] }) {
    this.#clock = parts.clock;
    this.#members = parts.members;
  }

  /** Begins to, unless somebody does already. Whoever asked is told that they are not here, and asks again. */
  look(layer: HealedLayer, first: number, end: number): void {
    if (layer.isAsked(first, end) || this.#clock.nowMs() < (this.#restsUntilMs.get(layer) ?? 0)) return;
    void this.#fetch(layer, first, end);
  }

  /** Until every member has been asked and had its time, were all the others silent. Never rejects. */
  async #fetch(layer: HealedLayer, first: number, end: number): Promise<void> {
    await within(this.#clock, patienceWithAll(this.#members()), async (giveUp) => {
      try {
        await layer.fetch(first, end, 'background', giveUp);
      } catch {
        if (giveUp.aborted) this.#restsUntilMs.set(layer, this.#clock.nowMs() + RESTING_MS);
      }
    });
  }
}
