// The floor under the peers' benchmark: two Node processes with nothing between them but TLS, files and checksums. What
// blocks cost beyond it is ours to save; what it costs itself is not.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { OperationError } from '../../common/errors.ts';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import { saveIdentity } from '../../common/membership/identity.ts';
import type { BlockMover, CallCounter, MoveCase, Moved } from './block-mover.ts';
import { DelayRelay } from './delay-relay.ts';
import { processorUs } from './nbd-load.ts';

const PROGRAM = fileURLToPath(new URL('bare-program.ts', import.meta.url));
const LOOPBACK = '127.0.0.1';

/** One end's process, which speaks in lines. */
class BareEnd {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(words: readonly string[]) {
    this.#child = spawn(process.execPath, [...process.execArgv, PROGRAM, ...words], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The next line that it says. @throws OperationError PEER_FAILED when it has ended */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true)
      throw new OperationError('PEER_FAILED', `the bare copy ended: ${this.#child.spawnargs.join(' ')}`);
    return value;
  }

  say(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

/** Sends the same file again and again. */
export class BareMover implements BlockMover {
  readonly file: string;
  readonly #sender: BareEnd;
  #taker: BareEnd | undefined;
  #relay: DelayRelay | undefined;

  private constructor(file: string, sender: BareEnd) {
    this.file = file;
    this.#sender = sender;
  }

  /** `started` has it from the moment that something runs, so that whoever is told to end can stop it. */
  static async start(
    { directory, source, bytes, roundTripMs }: MoveCase,
    started: (mover: BlockMover) => void,
  ): Promise<void> {
    await mkdir(directory, { recursive: true });
    await saveIdentity(directory, await issueIdentity(await createAuthority(), { node: 'bare', role: 'node' }));
    const file = join(directory, 'copy.raw');
    const mover = new BareMover(file, new BareEnd(['serve', directory, source, `${bytes}`]));
    started(mover);
    const port = Number(await mover.#sender.line());
    const at = { address: LOOPBACK, port: 0 };
    if (roundTripMs > 0) mover.#relay = await DelayRelay.start(at, { address: LOOPBACK, port }, roundTripMs);
    mover.#taker = new BareEnd(['take', directory, file, `${bytes}`, `${mover.#relay?.port ?? port}`]);
    await mover.#taker.line();
  }

  async move(): Promise<Moved> {
    const pids = this.#pids;
    const [sentUs = 0, takenUs = 0] = await Promise.all(pids.map(processorUs));
    const startedMs = performance.now();
    await this.#copy();
    const seconds = (performance.now() - startedMs) / 1000;
    const [sentEndUs = 0, takenEndUs = 0] = await Promise.all(pids.map(processorUs));
    return { seconds, sentCpuSeconds: (sentEndUs - sentUs) / 1e6, takenCpuSeconds: (takenEndUs - takenUs) / 1e6 };
  }

  calls(count: CallCounter): Promise<number | undefined> {
    return count(this.#pids, () => this.#copy());
  }

  clear(): Promise<void> {
    return rm(this.file, { force: true });
  }

  async stop(): Promise<void> {
    this.#relay?.close();
    await Promise.all([this.#sender.stop(), this.#taker?.stop()]);
  }

  get #pids(): readonly number[] {
    return [this.#sender.pid, this.#taker?.pid ?? 0];
  }

  async #copy(): Promise<void> {
    this.#taker?.say('move');
    await this.#taker?.line();
  }
}
