// Whether the writer's own store is a copy: all of the image is here, and durably. What has come from other stores is, once
// a barrier has passed since; until then only they have it.
import type { Image } from '../image/image.ts';

/** One image's copy at its writer. */
export class OwnCopy {
  readonly #image: Image;
  #isDurable = false;
  #making: object | undefined;

  constructor(image: Image) {
    this.#image = image;
  }

  /** To be asked again and again: what is all here is made durable for it. */
  get isWhole(): boolean {
    const layers = this.#image.stack.layers.map(({ store }) => store);
    if (layers.some(({ table }) => table.hasMissing)) this.#isDurable = false;
    else if (!this.#isDurable && this.#making === undefined) {
      const making = {};
      this.#making = making;
      void Promise.allSettled(layers.map((store) => store.flush())).then((passed) =>
        this.#made(
          making,
          passed.every(({ status }) => status === 'fulfilled'),
        ),
      );
    }
    return this.#isDurable;
  }

  /** The image is written elsewhere, or nobody asks. */
  reset(): void {
    this.#isDurable = false;
    this.#making = undefined;
  }

  #made(making: object, isDurable: boolean): void {
    if (this.#making !== making) return;
    this.#making = undefined;
    this.#isDurable = isDurable && !this.#image.stack.layers.some(({ store }) => store.table.hasMissing);
  }
}
