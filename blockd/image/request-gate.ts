// Whether requests may go on, and the wait of those that may not: freezing holds requests back without failing one
// (SOUNDNESS B2). It knows no request's content.
import { OperationError } from '../../common/errors.ts';

/**
 * `shut`: a stand-by, everything waits. `open`: a writer. `frozen`: reads go on, changes wait. `ended`: the image left;
 * what waits fails, and its client asks the next writer.
 */
export type GateMode = 'shut' | 'open' | 'frozen' | 'ended';

/** The gate of one image's requests. */
export class RequestGate {
  readonly #image: string;
  #mode: GateMode = 'shut';
  #change = Promise.withResolvers<void>();
  /** Told of each change in its very step, before anyone who waits goes on. */
  watcher: () => void = () => undefined;

  constructor(image: string) {
    this.#image = image;
  }

  get mode(): GateMode {
    return this.#mode;
  }

  get mayRead(): boolean {
    return this.#mode === 'open' || this.#mode === 'frozen';
  }

  get mayChange(): boolean {
    return this.#mode === 'open';
  }

  set(mode: GateMode): void {
    this.#mode = mode;
    this.watcher();
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  /** Settles at the next change of mode. @throws OperationError EXPORT_ENDED when the gate has ended */
  async changed(): Promise<void> {
    if (this.#mode !== 'ended') await this.#change.promise;
    if (this.#mode === 'ended') throw exportEnded(this.#image);
  }
}

/** What a request that waited for the gate hears when it has ended; its client asks the next writer. */
export function exportEnded(image: string): OperationError {
  return new OperationError('EXPORT_ENDED', `image ${image} is no longer open at this node`);
}
