// Waits for what a daemon, a guest or a switch comes to in its own time. Not a test itself.
import { setTimeout as delay } from 'node:timers/promises';

const LIMIT_MS = 60_000;
const POLL_MS = 50;

/** Looks again and again until it holds. @throws Error that says what did not come to be, once the limit has passed */
export async function until(what: string, holds: () => Promise<boolean>, limitMs = LIMIT_MS): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await delay(POLL_MS);
  }
}
