// The guests' ports of this node: their tap devices, made by `ip`, and their place among what is wanted of the switch.
// Knows nothing of gates and flows; every call may be repeated.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { codeOf, OperationError } from '../../common/errors.ts';
import { GUEST_MTU_BYTES } from '../pipeline.ts';
import type { ConfigConflict } from '../switch-config/config-changes.ts';
import type { ConfigKeeper } from '../switch-config/config-keeper.ts';
import type { WantedConfig } from '../switch-config/wanted-config.ts';
import { type NodeSwitch, wantedSwitch } from './node-switch.ts';

/** Each takes some 10 ms; a loaded machine may need seconds. */
const COMMAND_TIMEOUT_MS = 10_000;
/** A switch obeys in some 10 ms, and one that was restarted is back in 2 s. */
const SWITCH_TIMEOUT_MS = 10_000;

/**
 * Settings of a guest's device (the kernel's ip-sysctl.rst). A switch in user space takes copies of its frames, and the node's
 * own IP gets them all the same: it must neither take nor send on what a guest sends, nor speak on its guests' network.
 */
const NODE_STAYS_AWAY: readonly (readonly [path: string, value: string])[] = [
  ['ipv6/conf/*/disable_ipv6', '1'],
  ['ipv4/conf/*/forwarding', '0'],
  // No route leads back to the device, so this takes whatever comes from there for forged (RFC 3704, 2.2) ...
  ['ipv4/conf/*/rp_filter', '1'],
  // ... unless that is loosened for all devices; then at least what is not for its own MAC address, of which no guest hears.
  ['ipv4/conf/*/drop_unicast_in_l2_multicast', '1'],
  // ARP is answered for no address.
  ['ipv4/conf/*/arp_ignore', '8'],
];

/** What a port is made from. */
export interface HostPort {
  readonly name: string;
  readonly portNo: number;
  readonly owner: string;
  readonly mac: string;
}

export interface HostPortsParts {
  readonly node: NodeSwitch;
  /** The ports that are known already. */
  readonly ports: readonly HostPort[];
  readonly keeper: Pick<ConfigKeeper, 'want' | 'interfaceOf'>;
  /** Writes one of the kernel's settings; another in tests. */
  readonly setKernel?: (path: string, value: string) => Promise<void>;
  /** Runs ip(8) with these words; another in tests. */
  readonly ip?: (...words: string[]) => Promise<void>;
}

export class HostPorts {
  readonly #node: NodeSwitch;
  readonly #ports: Map<string, HostPort>;
  readonly #keeper: HostPortsParts['keeper'];
  readonly #setKernel: NonNullable<HostPortsParts['setKernel']>;
  readonly #ip: NonNullable<HostPortsParts['ip']>;

  constructor({ node, ports, keeper, setKernel = writeSetting, ip = runIp }: HostPortsParts) {
    this.#node = node;
    this.#ports = new Map(ports.map((port) => [port.name, port]));
    this.#keeper = keeper;
    this.#setKernel = setKernel;
    this.#ip = ip;
  }

  /** Whether there is a network device of that name in this process's network namespace. */
  async hasDevice(name: string): Promise<boolean> {
    const devices = await readFile('/proc/self/net/dev', 'utf8');
    return devices.split('\n').some((line) => line.trimStart().startsWith(`${name}:`));
  }

  /**
   * Makes the tap device, if it is not there, up and with the guests' MTU, and the switch port of the given number.
   * @throws OperationError COMMAND_FAILED, SWITCH_LOST; PORT_REFUSED when the switch could not make it, or not so
   */
  async add(port: HostPort): Promise<void> {
    const { name } = port;
    if (!(await this.hasDevice(name))) await this.#ip('tuntap', 'add', 'dev', name, 'mode', 'tap');
    for (const [path, value] of NODE_STAYS_AWAY) await this.#setKernel(path.replace('*', name), value);
    // Also of a device that is there: whoever made it may have been killed before this.
    await this.#ip('link', 'set', name, 'mtu', String(GUEST_MTU_BYTES), 'up');
    this.#ports.set(name, port);
    const conflicts = await this.#keeper.want(this.#wanted(), SWITCH_TIMEOUT_MS);
    const refusal = this.#refusal(port, conflicts);
    if (refusal === undefined) return;
    throw new OperationError('PORT_REFUSED', `the switch has no port ${name} as it should be: ${refusal}`);
  }

  /** Takes the switch port and the device away; a process that has the device open loses it. */
  async remove(name: string): Promise<void> {
    this.#ports.delete(name);
    await this.#keeper.want(this.#wanted(), SWITCH_TIMEOUT_MS);
    if (await this.hasDevice(name)) await this.#ip('link', 'delete', name);
  }

  #wanted(): WantedConfig {
    return wantedSwitch(this.#node, this.#ports.values());
  }

  #refusal({ name, portNo }: HostPort, conflicts: readonly ConfigConflict[]): string | undefined {
    const found = this.#keeper.interfaceOf(name);
    if (found?.ofport === portNo) return undefined;
    if (found?.error !== undefined) return found.error;
    const conflict = conflicts.find((one) => one.part === 'bridge' || one.name === name);
    if (conflict !== undefined) return `${conflict.part} ${conflict.name}: ${conflict.reason}`;
    return `its number is ${found?.ofport ?? 'none'}, not ${portNo}`;
  }
}

// A kernel without IPv6, or an old one without a setting, does not have the file.
async function writeSetting(path: string, value: string): Promise<void> {
  try {
    await writeFile(`/proc/sys/net/${path}`, value);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

function runIp(...words: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('ip', words, { timeout: COMMAND_TIMEOUT_MS }, (cause, _, stderr) => {
      if (cause === null) resolve();
      else reject(commandFailed(['ip', ...words].join(' '), stderr.trim() || cause.message, cause));
    });
  });
}

function commandFailed(command: string, said: string, cause: unknown): OperationError {
  return new OperationError('COMMAND_FAILED', `a command of the switch agent failed: ${command}: ${said}`, {
    remedy: 'Check that Open vSwitch and iproute2 are installed, that both daemons of Open vSwitch run, and as whom.',
    cause,
  });
}
