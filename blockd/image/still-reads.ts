// Reads of layers that nobody changes, as somebody was shown them. What was named to be read is so no longer when a table goes
// on: a writer has come since elsewhere, and this node, which was cut off, has not heard that the reading has ended. It ends
// then, and gives nothing of another state.

import { type ImageParts, ImageReads } from './image-reads.ts';
import { StillLayers } from './still-layers.ts';

export class StillReads extends ImageReads {
  readonly #layers: StillLayers;

  /** Of layers as they are proven at this moment. */
  constructor(parts: ImageParts) {
    super(parts);
    this.gate.set('open');
    this.#layers = new StillLayers(this.stack.layers);
  }

  /** Whether it may be read: what it is made of is what it was. */
  get isStill(): boolean {
    if (this.gate.mode === 'open' && !this.#layers.isStill) this.gate.set('ended');
    return this.gate.mode === 'open';
  }

  override tryBeginRead(offset: number, length: number): boolean {
    return this.isStill && super.tryBeginRead(offset, length);
  }

  override fileOf(offset: number, length: number): ReturnType<ImageReads['fileOf']> {
    return this.isStill ? super.fileOf(offset, length) : undefined;
  }
}
