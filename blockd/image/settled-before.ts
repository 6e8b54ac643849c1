// Waiting for a promise, or for some time, no longer than somebody wants to.
import type { Clock } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';

/** Whether the promise settled before the signal was aborted. */
export function settledBefore(signal: AbortSignal, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const onAbort = (): void => resolve(false);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => {
      signal.removeEventListener('abort', onAbort);
      resolve(true);
    };
    promise.then(settled, settled);
  });
}

/** So long, or until it is given up. */
export async function pauseBefore(signal: AbortSignal, clock: Clock, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.setTimer(ms, resolve);
  await settledBefore(signal, promise);
  timer.cancel();
}

/** A wait for another node that was given up. */
export function cancelled(what: string): OperationError {
  return new OperationError('CANCELLED', what, { remedy: 'Look at the node it comes from and at the link to it.' });
}
