// A real ovs-vswitchd for tests, with its database and one bridge below one folder. Its datapath is the dummy one: no kernel
// module, no device. Needs Debian's openvswitch-switch.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { within } from '../unit/common/members.ts';

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
/** Nothing here may take longer. */
const STEP_TIMEOUT_MS = 60_000;

const run = promisify(execFile);

/** Resolves when the file is there. */
async function appearance(folder: string, name: string): Promise<void> {
  const watcher = watch(folder);
  try {
    while (!existsSync(join(folder, name))) await within(once(watcher, 'change'), STEP_TIMEOUT_MS, `no ${name}`);
  } finally {
    watcher.close();
  }
}

/** A switch of its own: database server, ovs-vswitchd and one bridge, all below one folder. */
export class Vswitch {
  readonly folder = mkdtempSync(join(tmpdir(), 'vswitch-'));
  readonly #children: ChildProcess[] = [];

  /** `dummy`: devices of every type are dummies, or only those of the system, so that tunnels are real ones. */
  async start(dummy: 'override' | 'system' = 'override'): Promise<void> {
    await this.#run('ovsdb-tool', 'create', join(this.folder, 'db'), SCHEMA);
    this.#spawn(
      'ovsdb-server',
      `--remote=punix:${join(this.folder, 'db.sock')}`,
      '--unixctl=db.ctl',
      join(this.folder, 'db'),
    );
    await appearance(this.folder, 'db.sock');
    await this.vsctl('--no-wait', 'init');
    this.#spawn('ovs-vswitchd', `--enable-dummy=${dummy}`, '--disable-system', '--unixctl=vs.ctl', this.#database);
    await this.vsctl(
      ...[
        'add-br',
        'br0',
        '--',
        'set',
        'bridge',
        'br0',
        'datapath_type=dummy',
        'fail-mode=secure',
        'protocols=OpenFlow13',
      ],
      ...['--', 'add-port', 'br0', 'p1', '--', 'set', 'interface', 'p1', 'type=dummy', 'ofport_request=1'],
      ...['--', 'add-port', 'br0', 'p2', '--', 'set', 'interface', 'p2', 'type=dummy', 'ofport_request=2'],
    );
    await appearance(this.folder, 'br0.mgmt');
  }

  get #database(): string {
    return `unix:${join(this.folder, 'db.sock')}`;
  }

  get #environment(): NodeJS.ProcessEnv {
    return { ...process.env, OVS_RUNDIR: this.folder, OVS_LOGDIR: this.folder, OVS_DBDIR: this.folder };
  }

  #spawn(command: string, ...args: readonly string[]): void {
    this.#children.push(spawn(command, args, { cwd: this.folder, env: this.#environment, stdio: 'ignore' }));
  }

  async #run(command: string, ...args: readonly string[]): Promise<string> {
    const options = { cwd: this.folder, env: this.#environment, timeout: STEP_TIMEOUT_MS };
    return (await run(command, args, options)).stdout;
  }

  async vsctl(...args: readonly string[]): Promise<void> {
    await this.#run('ovs-vsctl', `--db=${this.#database}`, '--retry', '--timeout=60', ...args);
  }

  delPort(name: string): Promise<void> {
    return this.vsctl('del-port', 'br0', name);
  }

  async stop(): Promise<void> {
    for (const child of this.#children.reverse()) {
      const gone = once(child, 'exit');
      if (child.exitCode === null && child.kill('SIGKILL')) await within(gone, STEP_TIMEOUT_MS, 'no end of a daemon');
    }
    rmSync(this.folder, { recursive: true });
  }
}
