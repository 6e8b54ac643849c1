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
  /** The place that the image is pinned to while it is a stub here; empty otherwise. */
  #heldFor = '';
  #isLeaving = false;
  #waiting = 0;
  #era = 0;
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
    return this.mayFlush && this.#heldFor === '';
  }

  /** Also of a stub: what was answered before is durable, and nothing else waits for that. */
  get mayFlush(): boolean {
    return this.#mode === 'open' || this.#mode === 'frozen';
  }

  get mayChange(): boolean {
    return this.#mode === 'open' && this.#heldFor === '';
  }

  get heldFor(): string {
    return this.#heldFor;
  }

  /** Requests that wait now. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Another one once the image has left this node: what was asked before is nobody's then. */
  get era(): number {
    return this.#era;
  }

  set(mode: GateMode): void {
    if (mode === 'ended') this.#era++;
    this.#mode = mode;
    this.watcher();
    this.#wake();
  }

  /**
   * A stub: no request goes on here, since the image is pinned to a place elsewhere; '' ends that. Those of a client that
   * leaves for the place fail, or it could not leave: it makes them again there.
   */
  hold(place: string, isLeaving: boolean): void {
    if (this.#heldFor === place && this.#isLeaving === isLeaving) return;
    this.#heldFor = place;
    this.#isLeaving = isLeaving;
    this.#wake();
  }

  #wake(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  /** Settles at the next change. @throws OperationError EXPORT_ENDED when the gate has ended, STUB_LEAVES */
  async changed(): Promise<void> {
    this.#refuseLeaving();
    if (this.#mode !== 'ended') await this.#changed();
    this.#refuseLeaving();
    if (this.#mode === 'ended') throw exportEnded(this.#image);
  }

  async #changed(): Promise<void> {
    this.#waiting++;
    try {
      await this.#change.promise;
    } finally {
      this.#waiting--;
    }
  }

  #refuseLeaving(): void {
    if (this.#heldFor === '' || !this.#isLeaving) return;
    throw new OperationError(
      'STUB_LEAVES',
      `image ${this.#image} is on its way to ${this.#heldFor}, where it is pinned`,
    );
  }
}

/** What a request that waited for the gate hears when it has ended; its client asks the next writer. */
export function exportEnded(image: string): OperationError {
  return new OperationError('EXPORT_ENDED', `image ${image} is no longer open at this node`);
}
