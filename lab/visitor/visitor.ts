// The lab's hand on the guest's user: orders go in as lines, answers come back as lines.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { OperationError } from '../../common/errors.ts';
import type { GuestStatus } from '../guest/status.ts';
import { spawnIn } from '../namespace.ts';
import type { EchoFigures } from './echo-probe.ts';

const PROGRAM = fileURLToPath(new URL('visitor-main.ts', import.meta.url));

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Visitor {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  /** Starts the user's process inside its namespace; `host` is the guest's address, and something is said to it every so many ms. */
  constructor(namespace: string, host: string, everyMs = 10) {
    const args = ['--disable-warning=ExperimentalWarning', PROGRAM, host, String(everyMs)];
    this.#child = spawnIn(namespace, process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new TypeError('the visitor is started with its standard output piped');
    createInterface({ input: stdout }).on('line', (line) => this.#settle(line));
    this.#child.once('exit', () => this.#fail());
  }

  #settle(line: string): void {
    const { id, value, error } = JSON.parse(line) as { id: number; value?: unknown; error?: string };
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new OperationError('VISITOR', error));
  }

  #fail(): void {
    for (const { reject } of this.#waiting.values())
      reject(new OperationError('VISITOR', "the visitor's process ended"));
    this.#waiting.clear();
  }

  #order(what: string, text = ''): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ id, what, text })}\n`);
    });
  }

  /** Opens the connection that stays open from now on. */
  async connect(): Promise<void> {
    await this.#order('connect');
  }

  /** What the connection felt since the last mark. */
  async mark(): Promise<EchoFigures> {
    return (await this.#order('mark')) as EchoFigures;
  }

  /** Sends the guest a control line and answers its status. */
  async ask(line: string): Promise<GuestStatus> {
    return (await this.#order('ask', line)) as GuestStatus;
  }

  /** Fetches the guest's page; answers the HTTP status. */
  async page(): Promise<number> {
    return (await this.#order('page')) as number;
  }

  stop(): void {
    this.#child.stdin?.end();
  }
}
