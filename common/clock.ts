// Time as a part that can be handed in: the simulation has another one. Nothing else in a daemon reads the time.
import { performance } from 'node:perf_hooks';

/** A timer that has not fired; cancelling one that has is nothing. */
export interface Timer {
  cancel(): void;
}

/** The two times of a process and its timers, all in ms. */
export interface Clock {
  /** Monotonic since some moment in this process's life: for durations and deadlines. */
  nowMs(): number;
  /** Since 1970, may jump: only for what people and certificates read. */
  wallMs(): number;
  /** Calls once after `delayMs`, never earlier. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

/** A signal that aborts once the time has passed by that clock. */
export function deadline(clock: Clock, delayMs: number): AbortSignal {
  const end = new AbortController();
  clock.setTimer(delayMs, () => end.abort());
  return end.signal;
}

/** Gives what is begun a signal that aborts after so long, and lets go of the timer at its end. */
export async function within<T>(clock: Clock, limitMs: number, begin: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const end = new AbortController();
  const timer = clock.setTimer(limitMs, () => end.abort());
  try {
    return await begin(end.signal);
  } finally {
    timer.cancel();
  }
}

/** The next turn of the event loop, or one so much later. */
export function pause(clock: Clock, ms = 0): Promise<void> {
  return new Promise((resolve) => clock.setTimer(ms, resolve));
}

/** The machine's clock. */
export const realClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs, fire) {
    const handle = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
