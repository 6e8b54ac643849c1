// Real block daemons on loopback addresses, for tests: starts, kills and calls them. Not a test itself.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Authority } from '../../common/membership/authority.ts';
import { issueIdentity } from '../../common/membership/authority.ts';
import { type Identity, saveIdentity } from '../../common/membership/identity.ts';
import { type RpcClient, rpcClient } from '../../common/rpc/client.ts';
import { blockdContract } from '../../wire/contracts/blockd.ts';
import type { Endpoint } from '../../wire/names.ts';
import { BLOCKD_PORT } from '../../wire/ports.ts';

const MAIN = fileURLToPath(new URL('../../blockd/main.ts', import.meta.url));
/** On a busy machine too. */
const READY_MS = 60_000;

/** How a daemon is started. */
export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** What it says is heard by nobody. */
  readonly isQuiet?: boolean;
}

/** One daemon of a node, with the calls of its own node and of the controller. */
export class BlockdNode {
  readonly name: string;
  readonly address: string;
  readonly self: RpcClient<typeof blockdContract>;
  readonly controller: RpcClient<typeof blockdContract>;
  readonly directory: string;
  #process: ChildProcess | undefined;

  constructor(name: string, address: string, directory: string, own: Identity, controller: Identity) {
    this.name = name;
    this.address = address;
    this.directory = directory;
    const target = { node: name, address, port: BLOCKD_PORT };
    this.self = rpcClient(blockdContract, target, own);
    this.controller = rpcClient(blockdContract, target, controller);
  }

  static async make(
    authority: Authority,
    controller: Identity,
    root: string,
    name: string,
    address: string,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<BlockdNode> {
    const directory = join(root, name);
    await mkdir(directory, { recursive: true });
    const own = await issueIdentity(authority, { node: name, role: 'node' });
    await saveIdentity(join(directory, 'identity'), own);
    const config = {
      state: join(directory, 'state'),
      identity: join(directory, 'identity'),
      run: join(directory, 'run'),
      address,
      ...more,
    };
    await writeFile(join(directory, 'config.json'), JSON.stringify(config));
    return new BlockdNode(name, address, directory, own, controller);
  }

  get endpoint(): Endpoint {
    return { node: this.name, address: this.address };
  }

  get socket(): string {
    return join(this.directory, 'run', 'web.sock');
  }

  /** Of the running daemon. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /** Settles when the daemon that was started last has ended, however it did. */
  async ended(): Promise<void> {
    const child = this.#process;
    if (child !== undefined && !hasEnded(child)) await once(child, 'exit');
  }

  /** Starts the daemon and waits until it is ready. */
  async start({ env, isQuiet = false }: StartOptions = {}): Promise<void> {
    const words = [...process.execArgv, MAIN, '--config', join(this.directory, 'config.json')];
    const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', isQuiet ? 'ignore' : 'inherit'] });
    this.#process = child;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`blockd ${this.name} was not ready in time`)), READY_MS);
      child.stdout.once('data', () => {
        clearTimeout(timer);
        resolve();
      });
      child.once('exit', (code) => reject(new Error(`blockd ${this.name} exited with ${code}`)));
    });
  }

  /** Ends the daemon at once (`SIGKILL`) or in order. */
  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (child === undefined || hasEnded(child)) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exited;
    this.#process = undefined;
  }

  /** Stops the daemon where it is, as a machine that has no time for it does. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  goOn(): void {
    this.#process?.kill('SIGCONT');
  }

  /** What the daemon has in memory. */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#process?.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  close(): void {
    this.self.close();
    this.controller.close();
  }

  /** Runs qemu-io commands on the export and answers what it printed. @throws Error with that, when one failed */
  io(...commands: string[]): Promise<string> {
    return this.ioOn('web', ...commands);
  }

  /** As `io`, on another image's export. */
  async ioOn(image: string, ...commands: string[]): Promise<string> {
    const target = `nbd+unix:///${image}?socket=${join(this.directory, 'run', `${image}.sock`)}`;
    const words = ['-f', 'raw', '-t', 'none', ...commands.flatMap((one) => ['-c', one]), target];
    return new Promise((resolve, reject) => {
      execFile('qemu-io', words, { timeout: 60_000 }, (error, stdout, stderr) => {
        const isWell = error === null && !/error|failed/i.test(stdout);
        if (isWell) resolve(stdout);
        else reject(new Error(`qemu-io at ${this.name}: ${stdout}${stderr}`, { cause: error }));
      });
    });
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
