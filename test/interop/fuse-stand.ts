// A blockd without a cluster and a FUSE mount over it, on a small file system of their own, for tests. Not a test itself.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, mkdir, mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { codeOf, messageOf } from '../../common/errors.ts';

const BLOCKD = fileURLToPath(new URL('../../blockd/alone-main.ts', import.meta.url));
const FUSE = fileURLToPath(new URL('../../blockd/fuse-main.ts', import.meta.url));
const TOOL_MS = 60_000;
const run = promisify(execFile);

/** A daemon that says when it serves. */
export class Daemon {
  readonly #child: ChildProcess;
  #said = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @throws Error with what it said when it ends before it serves */
  static async start(script: string, words: readonly string[]): Promise<Daemon> {
    const child = spawn(process.execPath, [...process.execArgv, script, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const daemon = new Daemon(child);
    await new Promise<void>((resolve, reject) => {
      child.once('close', () => reject(new Error(daemon.#said)));
      const hear = (chunk: Buffer): void => {
        daemon.#said += chunk.toString();
        if (daemon.#said.includes('serving')) resolve();
      };
      child.stdout?.on('data', hear);
      child.stderr?.on('data', hear);
    });
    return daemon;
  }

  /** Its exit code, once it ended; null after a kill. */
  async ended(): Promise<unknown> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  /** Stops it where it is, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  /** Ends it and answers its exit code; null after a kill. */
  async stop(signal: NodeJS.Signals): Promise<unknown> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    return (await exited)[0];
  }
}

/** A mount of a directory of sockets, whose requests wait so long for a server. */
export function startMount(sockets: string, at: string, waitSeconds: number): Promise<Daemon> {
  return Daemon.start(FUSE, ['--sockets', sockets, '--at', at, '--wait', `${waitSeconds}`]);
}

export class FuseStand {
  readonly root: string;
  /** Where the sockets are. */
  readonly data: string;
  readonly at: string;
  #blockd: Daemon | undefined;
  #fuse: Daemon | undefined;

  private constructor(root: string) {
    this.root = root;
    this.data = join(root, 'data');
    this.at = join(root, 'mount');
  }

  static async make(): Promise<FuseStand> {
    const root = await mkdtemp(join(tmpdir(), 'fuse-'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=512m', 'supercloud-test', root]);
    const stand = new FuseStand(root);
    await mkdir(stand.data);
    return stand;
  }

  async remove(): Promise<void> {
    await this.#fuse?.stop('SIGTERM');
    await this.#blockd?.stop('SIGKILL');
    await run('umount', [this.root]);
    await rmdir(this.root);
  }

  /** The file of an image. */
  file(image: string): string {
    return join(this.at, image);
  }

  uri(image: string): string {
    return `nbd+unix:///${image}?socket=${join(this.data, `${image}.sock`)}`;
  }

  async startBlockd(...images: readonly string[]): Promise<void> {
    const wanted = images.flatMap((image) => ['--image', image]);
    this.#blockd = await Daemon.start(BLOCKD, ['--alone', '--data', this.data, ...wanted]);
  }

  async stopBlockd(signal: NodeJS.Signals): Promise<void> {
    await this.#blockd?.stop(signal);
  }

  /** As a machine does that has no time for it. */
  pauseBlockd(): void {
    this.#blockd?.signal('SIGSTOP');
  }

  goOnBlockd(): void {
    this.#blockd?.signal('SIGCONT');
  }

  async startFuse(waitSeconds = 30): Promise<void> {
    this.#fuse = await this.#newFuse(waitSeconds);
  }

  /** Starts one more, on the same mount unless said otherwise. @throws Error with what it says */
  async secondFuse(at = this.at): Promise<void> {
    await (await this.#newFuse(1, at)).stop('SIGTERM');
  }

  #newFuse(waitSeconds: number, at = this.at): Promise<Daemon> {
    return startMount(this.data, at, waitSeconds);
  }

  /** Its exit code, once it ended by itself. */
  fuseEnded(): Promise<unknown> | undefined {
    return this.#fuse?.ended();
  }

  stopFuse(signal: NodeJS.Signals): Promise<unknown> | undefined {
    return this.#fuse?.stop(signal);
  }

  /** What a program of others prints; it ends within a minute. */
  async tool(command: string, ...words: readonly string[]): Promise<string> {
    const { stdout } = await run(command, words, { timeout: TOOL_MS, maxBuffer: 2 ** 24 });
    return stdout;
  }

  /** What a program says when it fails. */
  async fault(command: string, ...words: readonly string[]): Promise<string> {
    try {
      await run(command, words, { timeout: TOOL_MS });
    } catch (error) {
      return error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    }
    throw new Error(`${command} did not fail`);
  }

  async io(image: string, ...commands: readonly string[]): Promise<void> {
    await this.tool('qemu-io', '-f', 'raw', ...commands.flatMap((one) => ['-c', one]), this.uri(image));
  }
}

/** How it ended: 'done', or the error's code. */
export function settled(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: unknown) => codeOf(error) ?? messageOf(error),
  );
}

/** What the file has there: fewer bytes at its end. */
export async function readAt(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, offset);
  return buffer.subarray(0, bytesRead);
}
