// A real `blockd --alone` under strace, which kills it at the Nth system call of a kind, or lets that call fail. With one
// thread in libuv's pool, since the count is per thread. Not a test itself.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Planted, planting } from '../planted/planted.ts';
import { countCalls, STORING_CALLS, type StoringCall } from './system-calls.ts';

const MAIN = fileURLToPath(new URL('../../blockd/alone-main.ts', import.meta.url));
const THREADS = { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' };

/** What strace does at a call: `when` as in strace(1), "the Nth" or "from the Nth to the Mth". */
export interface Injection {
  readonly call: StoringCall;
  readonly effect: 'signal=SIGKILL' | 'error=EIO' | 'error=ENOSPC';
  readonly when: string;
}

export interface TracedParts {
  readonly data: string;
  /** NAME:SIZE. */
  readonly image: string;
  /** Where strace writes what it saw. */
  readonly trace: string;
  readonly injection?: Injection | undefined;
  /** Where Node keeps what it has compiled: half of a start's time. */
  readonly compiled: string;
  readonly plants?: readonly Planted[];
}

/** One life of the daemon. */
export class TracedBlockd {
  readonly #child: ChildProcess;
  readonly #trace: string;
  #said = '';

  private constructor(child: ChildProcess, trace: string) {
    this.#child = child;
    this.#trace = trace;
  }

  /** Starts it; settles when it serves or has ended. */
  static async start(parts: TracedParts): Promise<TracedBlockd> {
    const calls = `trace=${STORING_CALLS.join()}`;
    // As a grandchild strace leaves its place to the daemon, whose end it does not outlive.
    const strace = [
      '-D',
      '-f',
      '-qqq',
      ...(parts.injection?.effect === 'signal=SIGKILL' ? [] : ['--seccomp-bpf']),
      '-e',
      calls,
      '-e',
      'signal=none',
      '-o',
      parts.trace,
    ];
    const { injection } = parts;
    if (injection !== undefined)
      strace.push('-e', `inject=${injection.call}:${injection.effect}:when=${injection.when}`);
    const program = [
      process.execPath,
      ...process.execArgv,
      MAIN,
      '--alone',
      '--data',
      parts.data,
      '--image',
      parts.image,
    ];
    const child = spawn('strace', [...strace, ...program], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...planting(parts.plants ?? []), ...THREADS, NODE_COMPILE_CACHE: parts.compiled },
    });
    const blockd = new TracedBlockd(child, parts.trace);
    await blockd.#untilServing();
    return blockd;
  }

  get said(): string {
    return this.#said;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** How it ended. */
  get end(): { code: number | null; signal: NodeJS.Signals | null } {
    return { code: this.#child.exitCode, signal: this.#child.signalCode };
  }

  /** Ends it, unless it has ended. */
  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }

  /** Settles when it has ended. */
  async ended(): Promise<void> {
    if (this.isRunning) await once(this.#child, 'exit');
  }

  /** How often a thread made each call, the busiest thread's; and whether a call was made to fail. After its end. */
  async seen(): Promise<{ counts: Map<string, number>; hasFailed: boolean }> {
    const text = await readFile(this.#trace, 'utf8');
    return { counts: countCalls(text), hasFailed: text.includes('(INJECTED)') };
  }

  #untilServing(): Promise<void> {
    return new Promise((resolve) => {
      const hear = (chunk: Buffer): void => {
        this.#said += chunk.toString();
        if (this.#said.includes('Ctrl-C stops')) resolve();
      };
      this.#child.stdout?.on('data', hear);
      this.#child.stderr?.on('data', hear);
      this.#child.once('close', () => resolve());
    });
  }
}

/** The socket of an image. */
export function socketOf(data: string, image: string): string {
  return join(data, `${image}.sock`);
}
