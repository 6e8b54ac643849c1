// Waiting and trying again, until it is done or the orchestrator is told to stop. Being told to stop is never an answer
// to what was tried: whoever waited goes on at the next start, from its journal.
import type { Clock } from '../common/clock.ts';
import { messageOf, OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';

/** Before the first repetition, and the longest wait between two: a daemon that restarts is back within seconds. */
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 10_000;

export class Patience {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping: AbortSignal;

  constructor(options: { clock: Clock; log: Log; stopping: AbortSignal }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#stopping = options.stopping;
  }

  get isStopping(): boolean {
    return this.#stopping.aborted;
  }

  /** @throws OperationError STOPPING */
  throwIfStopping(): void {
    if (!this.#stopping.aborted) return;
    throw new OperationError('STOPPING', 'the orchestrator was told to stop; it goes on with this when it is back', {
      remedy: `look at it then with 'supercloud vm list'`,
    });
  }

  /** Waits by the clock. @throws OperationError STOPPING, at once when told to stop */
  async pause(ms: number): Promise<void> {
    this.throwIfStopping();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(ms, resolve);
    const onStop = (): void => resolve();
    this.#stopping.addEventListener('abort', onStop, { once: true });
    await promise;
    timer.cancel();
    this.#stopping.removeEventListener('abort', onStop);
    this.throwIfStopping();
  }

  /** Repeats what may be repeated until it succeeds. @throws OperationError STOPPING, and nothing else */
  async untilDone<T>(what: string, work: () => Promise<T>): Promise<T> {
    for (let waitMs = RETRY_MS_MIN; ; waitMs = Math.min(2 * waitMs, RETRY_MS_MAX)) {
      this.throwIfStopping();
      try {
        return await work();
      } catch (error) {
        this.throwIfStopping();
        this.#log.warn({ what, reason: messageOf(error) }, 'it will be tried again');
      }
      await this.pause(waitMs);
    }
  }

  /** Does a job again and again, with the pause after each; a failed one comes again sooner or later. Never rejects. */
  async repeat(what: string, pauseMs: number, job: () => Promise<void>): Promise<void> {
    while (!this.isStopping) {
      try {
        await this.untilDone(what, job);
        await this.pause(pauseMs);
      } catch (error) {
        this.#log.debug({ what, reason: messageOf(error) }, 'done no more');
      }
    }
  }
}
