// What Ctrl-C does to work that goes on in the cluster whatever becomes of this program: once asks the cluster to stop it,
// twice leaves it as it is. In both cases a person reads what goes on.
import { STOP_SIGNALS } from '../common/terminal/terminal.ts';

/** Where signals come from: this process, or a test's. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

export interface InterruptionParts {
  readonly signals: SignalSource;
  /** Asks the cluster to stop the work; its end is told by whoever waits for it. */
  readonly stop: () => Promise<unknown>;
  readonly say: (text: string) => void;
  /** Ends this program with the exit code. */
  readonly leave: (code: number) => void;
  /** What is running, and how to look at it and stop it from now on. */
  readonly leftRunning: string;
}

/** 128 + the signal's number, as a shell has it. */
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Does the work under that rule. */
export async function interruptible<T>(parts: InterruptionParts, work: () => Promise<T>): Promise<T> {
  const { signals, stop, say, leave, leftRunning } = parts;
  let isStopping = false;
  const goAway = (signal: keyof typeof CODES) => (): void => {
    say(leftRunning);
    leave(CODES[signal]);
  };
  const interrupt = (): void => {
    if (isStopping) {
      goAway('SIGINT')();
      return;
    }
    isStopping = true;
    say('stopping it; Ctrl-C again leaves it as it is');
    stop().catch((error: unknown) => say(`it could not be stopped: ${error instanceof Error ? error.message : error}`));
  };
  const listeners = [
    ['SIGINT', interrupt],
    ['SIGTERM', goAway('SIGTERM')],
    ['SIGHUP', goAway('SIGHUP')],
  ] as const;
  const heard = listeners.filter(([signal]) => STOP_SIGNALS.includes(signal));
  for (const [signal, listener] of heard) signals.on(signal, listener);
  try {
    return await work();
  } finally {
    for (const [signal, listener] of heard) signals.off(signal, listener);
  }
}
