// Calls of the overlay where it has several controllers: what is called while one is gone is called again, until another one
// has taken over. So no migration fails for a kill.
import type { Clock } from '../../common/clock.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';

/** Half of the time from one look at the controllers to the next. */
const AGAIN_MS = 500;
/** What comes of a call at one that has ended, is about to take over, or was relieved. */
const GONE: readonly (string | undefined)[] = ['UNREACHABLE', 'CONNECTION_LOST', 'NOT_ACTIVE'];

export interface SuccessorWaitParts {
  /** Longer than a silence, and a relief after it, takes. */
  readonly waitMs: number;
  /** Nobody will take over any more. */
  readonly isOver: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** Of a call that may be repeated, at whichever is the active one then, as all of the overlay may. @throws what it throws at last */
export async function withSuccessor<T>(
  { waitMs, isOver, clock, log }: SuccessorWaitParts,
  call: () => Promise<T>,
): Promise<T> {
  const untilMs = clock.nowMs() + waitMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (isOver() || !GONE.includes(codeOf(error)) || clock.nowMs() >= untilMs) throw error;
      log.info({ reason: messageOf(error) }, 'a call of the overlay waits for another controller');
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.setTimer(AGAIN_MS, resolve);
    await promise;
  }
}
