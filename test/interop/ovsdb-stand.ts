// A real ovsdb-server, and a real ovs-vswitchd with the dummy datapath where one is wanted, below one folder, for programs in
// namespaces of their own. What is done by hand here is done by `ovs-vsctl`. Not a test itself.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, watch } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { within } from '../unit/common/members.ts';

export const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
/** Nothing here may take longer. */
export const STEP_TIMEOUT_MS = 60_000;

const POLL_MS = 20;

const run = promisify(execFile);

export class OvsdbStand {
  #folder: string | undefined;
  readonly #port: number;
  #database: ChildProcess | undefined;
  #switch: ChildProcess | undefined;

  /** `port`: where the server listens on 127.0.0.1 beside its socket. */
  constructor(port: number) {
    this.#port = port;
  }

  /** Made when it is first asked for: the program that only enters the namespaces has none. */
  get folder(): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'ovsdb-'));
    return this.#folder;
  }

  get socket(): string {
    return join(this.folder, 'db.sock');
  }

  get unixAddress(): `unix:${string}` {
    return `unix:${this.socket}`;
  }

  get tcpAddress(): `tcp:${string}:${number}` {
    return `tcp:127.0.0.1:${this.#port}`;
  }

  /** A database with the schema of Open vSwitch and nothing in it. */
  async create(): Promise<void> {
    rmSync(this.#file, { force: true });
    await this.#run('ovsdb-tool', 'create', this.#file, SCHEMA);
  }

  async startServer(): Promise<void> {
    rmSync(this.socket, { force: true });
    const remotes = [`--remote=punix:${this.socket}`, `--remote=ptcp:${this.#port}:127.0.0.1`];
    this.#database = this.#spawn('ovsdb-server', ...remotes, '--unixctl=db.ctl', this.#file);
    await this.#appearance('db.sock');
    await within(this.#listening(), STEP_TIMEOUT_MS, 'no listening server');
  }

  async killServer(): Promise<void> {
    await kill(this.#database);
  }

  async startSwitch(): Promise<void> {
    this.#switch = this.#spawn(
      ...([
        'ovs-vswitchd',
        '--enable-dummy=override',
        '--disable-system',
        '--unixctl=vs.ctl',
        this.unixAddress,
      ] as const),
    );
    await this.#appearance('vs.ctl');
  }

  async killSwitch(): Promise<void> {
    await kill(this.#switch);
  }

  /** Runs `ovs-vsctl` and waits until the switch has obeyed, if there is one. */
  async vsctl(...args: readonly string[]): Promise<string> {
    const wait = this.#switch === undefined ? ['--no-wait'] : [];
    const said = await this.#run('ovs-vsctl', `--db=${this.unixAddress}`, '--timeout=60', ...wait, ...args);
    return said.trim();
  }

  /** A transaction on the file of a server that is not there, as JSON of RFC 7047, 4.1.3. */
  async offline(...operations: readonly object[]): Promise<void> {
    await this.#run('ovsdb-tool', 'transact', this.#file, JSON.stringify(['Open_vSwitch', ...operations]));
  }

  /** The database's remarks, each transaction's. */
  async history(): Promise<string> {
    return this.#run('ovsdb-tool', 'show-log', '-m', this.#file);
  }

  async stop(): Promise<void> {
    await kill(this.#switch);
    await kill(this.#database);
    rmSync(this.folder, { recursive: true });
  }

  get #file(): string {
    return join(this.folder, 'conf.db');
  }

  get #environment(): NodeJS.ProcessEnv {
    return { ...process.env, OVS_RUNDIR: this.folder, OVS_LOGDIR: this.folder, OVS_DBDIR: this.folder };
  }

  #spawn(command: string, ...args: readonly string[]): ChildProcess {
    return spawn(command, args, { cwd: this.folder, env: this.#environment, stdio: 'ignore' });
  }

  async #run(command: string, ...args: readonly string[]): Promise<string> {
    const options = { cwd: this.folder, env: this.#environment, timeout: STEP_TIMEOUT_MS };
    return (await run(command, args, options)).stdout;
  }

  // It opens its ports one after the other, and says of none that it is open.
  async #listening(): Promise<void> {
    while (!(await isOpen(this.#port))) await sleep(POLL_MS);
  }

  async #appearance(name: string): Promise<void> {
    const watcher = watch(this.folder);
    try {
      while (!existsSync(join(this.folder, name))) {
        await within(once(watcher, 'change'), STEP_TIMEOUT_MS, `no ${name}`);
      }
    } finally {
      watcher.close();
    }
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** The schema that the server was given. */
export function schemaFile(): string {
  return readFileSync(SCHEMA, 'utf8');
}

async function kill(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await within(gone, STEP_TIMEOUT_MS, 'no end of a daemon');
}
