// Reads of layers that nobody changes, as somebody was shown them. What was named to be read is so no longer when a table goes
// on: a writer has come since elsewhere, and this node, which was cut off, has not heard that the reading has ended. It ends
// then, and gives nothing of another state.

import type { LayerBlocks } from '../layers/layer-blocks.ts';
import { type ImageParts, ImageReads } from './image-reads.ts';

export class StillReads extends ImageReads {
  readonly #newestAtFirst: number;
  /** Of their tables. */
  readonly #digests: ReadonlyMap<LayerBlocks, string>;

  /** Of layers as they are proven at this moment. */
  constructor(parts: ImageParts) {
    super(parts);
    this.gate.set('open');
    this.#newestAtFirst = Math.max(...this.stack.layers.map(({ store }) => store.table.lastSequence));
    this.#digests = new Map(this.stack.layers.map((layer) => [layer, layer.store.table.mark.digest]));
  }

  /** Whether it may be read: what it is made of is what it was. */
  get isStill(): boolean {
    if (this.gate.mode === 'open' && !this.stack.layers.every((layer) => this.#isStill(layer))) this.gate.set('ended');
    return this.gate.mode === 'open';
  }

  override tryBeginRead(offset: number, length: number): boolean {
    return this.isStill && super.tryBeginRead(offset, length);
  }

  override fileOf(offset: number, length: number): ReturnType<ImageReads['fileOf']> {
    return this.isStill ? super.fileOf(offset, length) : undefined;
  }

  /**
   * Numbers go on over layers, also where two of them become one: a higher one is a later change. That a layer which says the
   * same took more of them than was known here may be heard later.
   */
  get #newest(): number {
    const same = this.stack.layers.filter((layer) => layer.store.table.mark.digest === this.#digests.get(layer));
    return Math.max(this.#newestAtFirst, ...same.map(({ store }) => store.table.lastSequence));
  }

  /** One that is sealed changes by a merge alone, and says the same below what is merged into it. */
  #isStill(layer: LayerBlocks): boolean {
    const { table, state } = layer.store;
    if (table.mark.digest === this.#digests.get(layer)) return true;
    const { role, merging = null } = state;
    const isMeant = merging === null || this.stack.layers.some(({ store }) => store.layer === merging.from.layer);
    return role === 'sealed' && isMeant && table.lastSequence <= this.#newest;
  }
}
