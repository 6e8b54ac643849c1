// The project's own command line, run inside a namespace as a node's owner would type it.
import { fileURLToPath } from 'node:url';
import { runIn } from './namespace.ts';

const CLI = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/** Runs `supercloud ...` to its end inside a namespace and answers what it printed. */
export function runSupercloud(namespace: string, args: readonly string[], input = ''): Promise<string> {
  return runIn(namespace, process.execPath, ['--disable-warning=ExperimentalWarning', CLI, ...args], { input });
}
