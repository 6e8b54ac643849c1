// The turn of the event loop between two events of a simulated world: whatever waits for no time goes on to its end, and a
// promise that was rejected and that nobody handles ends the process, as it would a daemon.

/** Between two immediates Node does all that it does at the end of a round of its loop, but asks the kernel for no input. */
const TURNS_A_ROUND = 64;

let left = 0;
let waiting: (() => void)[] = [];

function next(): void {
  left--;
  const resolved = waiting;
  waiting = [];
  for (const resolve of resolved) resolve();
}

/** Settles when nothing else can go on. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (left === 0) for (; left < TURNS_A_ROUND; left++) setImmediate(next);
  });
}
