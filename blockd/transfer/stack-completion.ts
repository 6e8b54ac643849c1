// The wait for the layers below an image's top: they are brought from wherever a member has them, and the image's
// requests wait for them. A stand-by is told of at once, an opening waits.
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Image } from '../image/image.ts';
import { cancelled, settledBefore } from '../image/settled-before.ts';
import { bringAll } from '../layers/bring-all.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';

export interface CompletionParts {
  readonly image: Image;
  readonly layers: Pick<LayerShelf, 'bring'>;
  readonly log: Log;
}

/** The coming of one image's layers. */
export class StackCompletion {
  readonly #parts: CompletionParts;
  #running: Promise<void> = Promise.resolve();
  #end = new AbortController();
  #isRunning = false;
  #source = '';

  constructor(parts: CompletionParts) {
    this.#parts = parts;
  }

  /** Brings them, from the node or from others. @throws OperationError CANCELLED; Error of the disk */
  async complete(source: string, end: AbortSignal): Promise<void> {
    const { image, layers } = this.#parts;
    while (!image.isWhole) {
      const { below } = image.store.state;
      const brought = await bringAll(layers, below, source, end);
      // Two of them may have become one meanwhile.
      if (image.store.state.below === below) image.complete(brought);
    }
  }

  /** Whether they are on their way already. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** The same where nobody waits for it yet, until `end`. */
  begin(source: string): void {
    const { image, log } = this.#parts;
    this.end();
    this.#source = source;
    this.#end = new AbortController();
    this.#isRunning = true;
    this.#running = this.complete(source, this.#end.signal);
    const ended = this.#end;
    const over = (): void => {
      if (ended === this.#end) this.#isRunning = false;
    };
    this.#running.then(over, over);
    this.#running.catch((error: unknown) =>
      log.warn({ image: image.store.image, reason: messageOf(error) }, 'layers below did not come'),
    );
  }

  end(): void {
    this.#end.abort();
  }

  /** Other layers are to come now, if some are on their way. */
  renew(): void {
    if (this.#isRunning) this.begin(this.#source);
  }

  /** In one sentence why the image has not all its layers here within the time; nothing when it has. */
  async missing(signal: AbortSignal): Promise<string> {
    const { image } = this.#parts;
    if (!image.isWhole) await settledBefore(signal, this.#running);
    return image.isWhole ? '' : `the layers below the top of image ${image.store.image} did not come in time`;
  }

  /** Answers once they are here. @throws OperationError CANCELLED */
  async ready(end: AbortSignal): Promise<void> {
    const missing = await this.missing(end);
    if (missing !== '') throw cancelled(missing);
  }
}
