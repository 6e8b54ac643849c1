// What a half-done operation must take back, in reverse order. It never hides the failure that called for it.
import type { Log } from '../common/log.ts';

interface Reversal {
  readonly what: string;
  readonly run: () => Promise<unknown>;
}

export class Undo {
  readonly #reversals: Reversal[] = [];
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  add(what: string, run: () => Promise<unknown>): void {
    this.#reversals.push({ what, run });
  }

  /** Takes everything back, latest first; what cannot be taken back is logged and the rest still is. */
  async run(): Promise<void> {
    for (let last = this.#reversals.pop(); last !== undefined; last = this.#reversals.pop()) {
      try {
        await last.run();
      } catch (error) {
        this.#log.error({ err: error, what: last.what }, 'could not be taken back');
      }
    }
  }
}
