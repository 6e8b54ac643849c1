// The project's own command line, run inside a namespace as a node's owner would type it.
import { fileURLToPath } from 'node:url';
import { runIn } from './namespace.ts';

const CLI = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/** It loads in a second of processor time, of which a machine that does much else gives it a twentieth. */
const TIMEOUT_MS = 90_000;

/** Runs `supercloud ...` to its end inside a namespace and answers what it printed. */
export function runSupercloud(namespace: string, args: readonly string[], input = ''): Promise<string> {
  const words = ['--disable-warning=ExperimentalWarning', CLI, ...args];
  return runIn(namespace, process.execPath, words, { input, timeoutMs: TIMEOUT_MS });
}
