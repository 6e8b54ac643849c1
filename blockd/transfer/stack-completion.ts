// The wait for the layers below an image's top: they are brought from wherever a member has them, and the image's
// requests wait for them. A stand-by is told of at once, an opening waits.
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Image } from '../image/image.ts';
import { cancelled, pauseBefore, settledBefore } from '../image/settled-before.ts';
import { bringAll } from '../layers/bring-all.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';

export interface CompletionParts {
  readonly image: Image;
  readonly layers: Pick<LayerShelf, 'bring'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What could not be had is asked for again so soon. */
const RETRY_MS = 2_000;

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
      if (isLayer(image)) throw cancelled(`the top of image ${image.store.image} is a layer like others by now`);
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
    this.end();
    this.#source = source;
    this.#end = new AbortController();
    this.#isRunning = true;
    const ended = this.#end;
    this.#running = this.#keepTrying(source, ended.signal).finally(() => {
      if (ended === this.#end) this.#isRunning = false;
    });
  }

  /**
   * Never rejects. What cannot be had now may be later, and nobody else asks: a layer that is just being merged here, or a disk
   * that is full. Whoever waits has a limit of his own.
   */
  async #keepTrying(source: string, end: AbortSignal): Promise<void> {
    const { image, clock, log } = this.#parts;
    for (let said = ''; !end.aborted && !isLayer(image); ) {
      try {
        return await this.complete(source, end);
      } catch (error) {
        const reason = messageOf(error);
        if (reason !== said && !end.aborted)
          log.warn({ image: image.store.image, reason }, 'layers below did not come yet');
        said = reason;
      }
      await pauseBefore(end, clock, RETRY_MS);
    }
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

/** A top that became a layer like others is nobody's to open: what it stood on may be merged by now. */
function isLayer({ store }: Image): boolean {
  return store.state.role === 'sealed';
}
