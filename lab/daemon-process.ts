// A daemon of ours as a process inside a namespace: started with a configuration file, ready when it says so, its log
// in a file. Ending the namespace ends it too; this only starts, watches and asks it to stop.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { OperationError } from '../common/errors.ts';
import { spawnIn } from './namespace.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Twelve daemons start at once on two cores. */
const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 8_000;
const LOG_TAIL_LINES = 6;

/** Which program, where, with which configuration. */
export interface DaemonPlan {
  readonly name: string;
  readonly namespace: string;
  /** Entry point, relative to the project. */
  readonly script: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** The directory of its configuration and log. */
  readonly directory: string;
}

/** A started daemon. */
export class DaemonProcess {
  readonly plan: DaemonPlan;
  readonly #child: ChildProcess;
  #expected = false;

  private constructor(plan: DaemonPlan, child: ChildProcess) {
    this.plan = plan;
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get logFile(): string {
    return logFile(this.plan);
  }

  /** Starts it and waits until it has said READY; if it ends before, the error carries the end of its log. */
  static async start(plan: DaemonPlan, onUnexpectedExit: (message: string) => void): Promise<DaemonProcess> {
    const configFile = `${plan.directory}/${plan.name}.config.json`;
    writeFileSync(configFile, JSON.stringify(plan.config, null, 2), { mode: 0o600 });
    const log = openSync(logFile(plan), 'a', 0o600);
    const args = ['--disable-warning=ExperimentalWarning', `${ROOT}${plan.script}`, '--config', configFile];
    const child = spawnIn(plan.namespace, process.execPath, args, { stdio: ['ignore', 'pipe', log] });
    const daemon = new DaemonProcess(plan, child);
    child.once('exit', (code, signal) => {
      if (!daemon.#expected) onUnexpectedExit(`${plan.name} in ${plan.namespace} ended (${signal ?? `code ${code}`})`);
    });
    await daemon.#ready();
    return daemon;
  }

  async #ready(): Promise<void> {
    const { stdout } = this.#child;
    if (stdout === null) throw new TypeError('a daemon is started with its standard output piped');
    const lines = createInterface({ input: stdout });
    const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
    try {
      for (;;) {
        const [line] = (await Promise.race([once(lines, 'line', { signal }), this.#ended()])) as [string];
        if (line === 'READY') return;
      }
    } catch (cause) {
      this.#expected = true;
      this.#child.kill('SIGKILL');
      throw new OperationError('DAEMON_NOT_READY', `${this.plan.name} in ${this.plan.namespace} did not start`, {
        remedy: `the end of its log ${this.logFile}:\n${this.#logTail()}`,
        cause,
      });
    }
  }

  async #ended(): Promise<never> {
    await once(this.#child, 'exit');
    throw new Error('it ended');
  }

  #logTail(): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  }

  /** Sends a signal, as a fault or a freeze in a test; the exit that follows is expected. */
  signal(name: NodeJS.Signals): void {
    if (name === 'SIGKILL' || name === 'SIGTERM') this.#expected = true;
    this.#child.kill(name);
  }

  /** From now on its end is no trouble: the lab is being taken down. */
  expectEnd(): void {
    this.#expected = true;
  }

  /** Ends it as a crash would, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#expected = true;
    if (this.#hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Asks it to stop and waits, at most 8 s. */
  async stop(): Promise<void> {
    this.#expected = true;
    if (this.#hasEnded) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }
}

function logFile(plan: DaemonPlan): string {
  return `${plan.directory}/${plan.name}.log`;
}
