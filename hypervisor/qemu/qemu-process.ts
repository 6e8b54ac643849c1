// One QEMU as a process: start it so that it outlives us, know it again by its pid file, see it end. It must never
// signal a pid that is not the QEMU it was given: pids are used again.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { HypervisorError } from '../driver.ts';

/** Only while somebody waits for an end that is due. */
const GONE_POLL_MS = 10;

/** A killed process whose pages the kernel is still freeing (1 GiB: 0.2 s). */
const KILL_TIMEOUT_MS = 10_000;

/** What of QEMU's last words goes into an error message. */
const LAST_WORDS_CHARS_MAX = 600;

/** A process for ever: a pid and when the kernel started it, in clock ticks since boot. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

export interface StartOptions {
  readonly program: string;
  readonly programArguments: readonly string[];
  readonly logFile: string;
}

export interface StartedProcess {
  /** Resolves when the process has ended before anybody let go of it, with a phrase that says how. */
  readonly ended: Promise<string>;
  /** For a start that came to nothing. */
  kill(): void;
}

/** Starts a program in a session of its own, its output in a log that only grows. */
export function startDetached({ program, programArguments, logFile }: StartOptions): StartedProcess {
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(program, programArguments, { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  closeSync(log);
  child.unref();
  const { promise, resolve } = Promise.withResolvers<string>();
  child.once('error', (error) => resolve(`could not be started: ${error.message}`));
  child.once('exit', (code, signal) => resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`));
  const kill = () => {
    // Whoever kills it waits for its end, and an unreferenced child would let our process end before it.
    child.ref();
    child.kill('SIGKILL');
  };
  return { ended: promise, kill };
}

/** The QEMU whose pid file this is; undefined when there is none alive. */
export async function findQemu(pidFile: string): Promise<ProcessIdentity | undefined> {
  const text = await readIfThere(pidFile);
  const pid = Number(text);
  if (text === undefined || !Number.isInteger(pid) || pid <= 1) return undefined;
  const startTicks = await liveStartTicks(pid);
  const commandLine = await readIfThere(`/proc/${pid}/cmdline`);
  if (startTicks === undefined || !commandLine?.split('\0').includes(pidFile)) return undefined;
  return { pid, startTicks };
}

export async function isAlive({ pid, startTicks }: ProcessIdentity): Promise<boolean> {
  return (await liveStartTicks(pid)) === startTicks;
}

/** Kills it and waits until the kernel has let go of it. Again, or too late, is no error. */
export async function killAndWait(identity: ProcessIdentity): Promise<void> {
  const deadline = performance.now() + KILL_TIMEOUT_MS;
  if (await isAlive(identity)) signalKill(identity.pid);
  while (await isAlive(identity)) {
    if (performance.now() > deadline) {
      throw new HypervisorError('TIMEOUT', `kill of QEMU ${identity.pid}: still there after ${KILL_TIMEOUT_MS} ms`);
    }
    await sleep(GONE_POLL_MS);
  }
}

/** The end of a log, for an error message. */
export async function lastWords(logFile: string): Promise<string> {
  const text = (await readIfThere(logFile)) ?? '';
  return text.trimEnd().slice(-LAST_WORDS_CHARS_MAX);
}

function signalKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

/** proc(5), /proc/PID/stat: the state is field 3, the start time field 22; the name before them may hold anything. */
async function liveStartTicks(pid: number): Promise<string | undefined> {
  const stat = await readIfThere(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  const [state] = fields;
  return state === undefined || state === 'Z' || state === 'X' ? undefined : fields[19];
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
