// strace on a daemon that runs already: counts its system calls from then on, and kills it at the Nth of a kind. The count is
// per thread. Not a test itself.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Prng } from '../sim/prng.ts';
import { countCalls, STORING_CALLS } from './system-calls.ts';

/** By which anything comes to be on a disk, or is said to anyone. */
const CALLS = [...STORING_CALLS, 'writev', 'sendto'] as const;
const TELLING_CALLS: readonly string[] = ['write', 'writev', 'sendto'];
export type StruckCall = (typeof CALLS)[number];

/** The Nth call of a kind, of whichever thread makes so many first. */
export interface Strike {
  readonly call: StruckCall;
  readonly nth: number;
}

/** How often each call is made while nothing is struck, the busiest thread's count. */
export type CallCounts = ReadonlyMap<string, number>;

/** Draws a strike: in one half of them at what is stored, in the other at what is said. */
export function drawStrike(counts: CallCounts, prng: Prng): Strike {
  const isTold = prng.chance(0.5);
  const made = CALLS.filter((call) => (counts.get(nameOf(call)) ?? 0) > 0);
  const kind = made.filter((call) => TELLING_CALLS.includes(call) === isTold);
  const [first = 'write' as StruckCall, ...others] = kind.length > 0 ? kind : made;
  const call = prng.pick([first, ...others]);
  const count = counts.get(nameOf(call)) ?? 1;
  // Most moves make fewer calls than the one that was counted, which had everything in it.
  return { call, nth: 1 + Math.min(prng.integer(count), prng.integer(count)) };
}

/** A strace that holds a daemon. */
export class AttachedStrace {
  readonly #child: ChildProcess;
  readonly #trace: string;

  private constructor(child: ChildProcess, trace: string) {
    this.#child = child;
    this.#trace = trace;
  }

  /** Settles when every thread of the process is held. `trace`: where it writes what it saw. */
  static async attach(pid: number, trace: string, strike?: Strike): Promise<AttachedStrace> {
    const words = ['-f', '-p', `${pid}`, '-e', `trace=${CALLS.join()}`, '-e', 'signal=none', '-o', trace];
    if (strike !== undefined) words.push('-e', `inject=${strike.call}:signal=SIGKILL:when=${strike.nth}`);
    const child = spawn('strace', words, { stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('attached')) resolve();
      });
      child.once('close', () => reject(new Error(`strace does not hold the daemon: ${said}`)));
    });
    return new AttachedStrace(child, trace);
  }

  /** Lets go of the daemon, if that still runs; answers what it did. */
  async detach(): Promise<CallCounts> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await exited;
    }
    return countCalls(await readFile(this.#trace, 'utf8'));
  }
}

function nameOf(call: StruckCall): string {
  return call.replace('?', '');
}
