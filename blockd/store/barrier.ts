// A barrier that a layer's store has still to pass: what it changes besides the entries, and who waits for it. It writes
// nothing itself.
import type { StoreState } from './store-record.ts';

/** What a barrier may change besides the entries. */
export interface StoreChange {
  readonly state?: Partial<StoreState>;
  /** No write has begun since the last barrier and none will before the next change of role. */
  readonly clean?: boolean;
  /** Reserve sequences for a new writer. */
  readonly reserve?: boolean;
}

/** Everybody who asks before it begins shares it. */
export class Barrier {
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
  #change: StoreChange = {};

  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Whoever asked for the barrier hears of its failure; one that nobody waits for must not end the process.
    promise.catch(() => undefined);
    this.done = promise;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** All that was asked of it. */
  get change(): StoreChange {
    return this.#change;
  }

  /** One more asks for it; of a state that two change, what was asked last counts. */
  add(change: StoreChange): void {
    const before = this.#change;
    this.#change = {
      state: { ...before.state, ...change.state },
      clean: before.clean === true || change.clean === true,
      reserve: before.reserve === true || change.reserve === true,
    };
  }
}
