// Devices and switch ports made by the host's own tools: `ip` for tap devices, `ovs-vsctl` for ports of the integration
// bridge. Knows nothing of gates and flows; every call may be repeated.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { codeOf, OperationError } from '../common/errors.ts';
import { GUEST_MTU_BYTES } from './pipeline.ts';

/** The bridge whose flows the overlay's controller writes. */
export const INTEGRATION_BRIDGE = 'br-int';
/** Each takes some 10 ms; a loaded machine may need seconds. */
const COMMAND_TIMEOUT_MS = 10_000;

/** What a port is made from. */
export interface HostPort {
  readonly name: string;
  readonly portNo: number;
  readonly owner: string;
  readonly mac: string;
}

export class HostPorts {
  readonly #databaseSocket: string;

  /** `directory`: Open vSwitch's run directory, with `db.sock` in it. */
  constructor(directory: string) {
    this.#databaseSocket = `${directory}/db.sock`;
  }

  /** Whether there is a network device of that name in this process's network namespace. */
  async hasDevice(name: string): Promise<boolean> {
    const devices = await readFile('/proc/self/net/dev', 'utf8');
    return devices.split('\n').some((line) => line.trimStart().startsWith(`${name}:`));
  }

  /**
   * Makes the tap device, if it is not there, and the switch port of the given number.
   * @throws OperationError COMMAND_FAILED; PORT_NUMBER_TAKEN when the switch gave it another number
   */
  async add({ name, portNo, owner, mac }: HostPort): Promise<void> {
    if (!(await this.hasDevice(name))) await makeTap(name);
    const ids = [`external_ids:supercloud-owner=${owner}`, `external_ids:attached-mac="${mac}"`];
    const set = ['set', 'interface', name, `ofport_request=${portNo}`, ...ids];
    await this.#ovsVsctl(['--may-exist', 'add-port', INTEGRATION_BRIDGE, name, '--', ...set]);
    const given = (await this.#ovsVsctl(['get', 'interface', name, 'ofport'])).trim();
    if (given === String(portNo)) return;
    throw new OperationError('PORT_NUMBER_TAKEN', `the switch gave port ${name} the number ${given}, not ${portNo}`);
  }

  /** Takes the switch port and the device away; a process that has the device open loses it. */
  async remove(name: string): Promise<void> {
    await this.#ovsVsctl(['--if-exists', 'del-port', INTEGRATION_BRIDGE, name]);
    if (await this.hasDevice(name)) await runCommand('ip', ['link', 'delete', name]);
  }

  #ovsVsctl(args: readonly string[]): Promise<string> {
    const common = [`--db=unix:${this.#databaseSocket}`, '--no-syslog', '--timeout=8'];
    return runCommand('ovs-vsctl', [...common, ...args]);
  }
}

async function makeTap(name: string): Promise<void> {
  await runCommand('ip', ['tuntap', 'add', 'dev', name, 'mode', 'tap']);
  await withoutIpv6(name);
  await runCommand('ip', ['link', 'set', name, 'mtu', String(GUEST_MTU_BYTES), 'up']);
}

// The node itself must not speak on its guests' network; a kernel without IPv6 does not.
async function withoutIpv6(name: string): Promise<void> {
  try {
    await writeFile(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

function runCommand(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, [...args], { timeout: COMMAND_TIMEOUT_MS }, (cause, stdout, stderr) => {
      if (cause === null) resolve(stdout);
      else reject(commandFailed([command, ...args].join(' '), stderr.trim() || cause.message, cause));
    });
  });
}

function commandFailed(command: string, said: string, cause: unknown): OperationError {
  return new OperationError('COMMAND_FAILED', `a command of the switch agent failed: ${command}: ${said}`, {
    remedy: 'Check that Open vSwitch and iproute2 are installed, that both daemons of Open vSwitch run, and as whom.',
    cause,
  });
}
