// One test file in a process of its own, and what it came to. Nothing is retried.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { formatMs } from '../common/terminal/progress.ts';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Before a program: it has a network of its own, with a loopback interface and no other. */
const ON_OWN_LOOPBACK = ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];

export interface FileRun {
  readonly limitMs: number;
  readonly hasOwnLoopback: boolean;
}

export interface Verdict {
  readonly passed: number;
  readonly failed: number;
  readonly output: string;
}

/** What uvu printed last; a file that printed no total, or ended badly, has failed once more than it says. */
function verdictOf(output: string, code: number | null): Verdict {
  const count = (word: string): number => Number(new RegExp(`${word}:\\s+(\\d+)`).exec(output)?.[1] ?? 0);
  const total = count('Total');
  const passed = count('Passed');
  const failed = total - passed - count('Skipped');
  const silent = total === 0 || (code !== 0 && failed === 0);
  // uvu drops what is thrown before its tests.
  const why = failed > 0 && !output.includes('FAIL') ? 'what is to come before the tests failed\n' : '';
  return { passed, failed: failed + (silent ? 1 : 0), output: output + why };
}

/** Runs it to its end, or to its limit. */
export function runFile(file: string, { limitMs, hasOwnLoopback }: FileRun): Promise<Verdict> {
  const program = [process.execPath, ...process.execArgv, file];
  const [command = '', ...words] = hasOwnLoopback ? [...ON_OWN_LOOPBACK, ...program] : program;
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, {
      cwd: ROOT,
      env: { ...process.env, FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => {
      output += `\nended after ${formatMs(limitMs)}, the limit of its kind\n`;
      child.kill('SIGKILL');
    }, limitMs);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve(verdictOf(output, code));
    });
  });
}
