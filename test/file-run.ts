// One test file in a process of its own, and what it came to. Nothing is retried.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { formatMs } from '../common/terminal/progress.ts';
import { inRoom, withScratch } from './own-room.ts';
import type { Scratch } from './scratch.ts';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface FileRun {
  readonly limitMs: number;
  /** It starts processes, mounts and makes namespaces, which are not to outlive it. */
  readonly hasRoom: boolean;
  /** In its room: a loopback interface of its own, and no other. */
  readonly hasOwnLoopback: boolean;
}

export interface FileSurroundings {
  readonly scratch: Scratch;
  /** Ends what runs. */
  readonly signal: AbortSignal;
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

/** Runs it to its end, or to its limit; rejects if it was ended by the signal. */
export function runFile(file: string, run: FileRun, { scratch, signal }: FileSurroundings): Promise<Verdict> {
  const { limitMs } = run;
  const program = [process.execPath, ...process.execArgv, file];
  const part = scratch.part();
  const { words, env } = run.hasRoom
    ? inRoom(program, part, { addresses: run.hasOwnLoopback })
    : withScratch(program, part);
  const [command = '', ...rest] = words;
  return new Promise((resolve, reject) => {
    const child = spawn(command, rest, {
      cwd: ROOT,
      env: { ...env, FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
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
    let failed: Error | undefined;
    child.once('error', (error) => {
      failed = error;
      if (child.pid === undefined) reject(error);
    });
    // Once all that writes there has ended.
    child.once('close', (code) => {
      clearTimeout(timer);
      if (failed === undefined) resolve(verdictOf(output, code));
      else reject(failed);
    });
  });
}
