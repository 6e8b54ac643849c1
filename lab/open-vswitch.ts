// One node's own Open vSwitch: database, switch daemon and underlay bridge, apart from any other on the machine. The
// integration bridge is not made here: that is the node's switch agent's, which keeps it (sdnd/agent/node-switch.ts).
import { mkdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandFailed, createVethPair, insideNamespace, runCommand } from './namespace.ts';
import { identify, isSameProcess, type ProcessIdentity, RunDirectoryError } from './run-directory.ts';

/** The bridge that carries the node's underlay address; the tunnels leave through it. */
export const UNDERLAY_BRIDGE = 'br-phy';
/** The bridge of the VMs' ports and the tunnel port, which the node's switch agent makes. */
export const INTEGRATION_BRIDGE = 'br-int';
/** The bridge by which a gateway's tunnels reach its private network. */
export const INSIDE_BRIDGE = 'br-inside';
const EVERYWHERE = '0.0.0.0/0';
const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
const STOP_TIMEOUT_MS = 20_000;
const STOP_POLL_MS = 20;
/** How long the switch may take to hear from the kernel that it has an address. */
const ADDRESS_TIMEOUT_MS = 20_000;
const ADDRESS_POLL_MS = 20;

/** Open vSwitch did not do what was asked within its time; the message names the daemon and its log. */
export class OpenVswitchStuck extends Error {
  readonly code = 'OPEN_VSWITCH_STUCK';

  constructor(daemon: string, directory: string) {
    super(`${daemon} did not end within ${STOP_TIMEOUT_MS} ms; see ${directory}/${daemon}.log`);
    this.name = 'OpenVswitchStuck';
  }
}

/** A network that tunnels leave through: a bridge with the device that leads there, and the node's address in it. */
export interface UnderlayLeg {
  readonly bridge: string;
  readonly underlayAddress: string;
  readonly uplink: string;
  readonly underlayMac?: string;
  /** The next hop of tunnels to what is not in this network. */
  readonly router?: string;
  /** The next hop of tunnels to this network itself, which is not the bridge's own Ethernet. */
  readonly kernel?: string;
}

export interface OpenVswitchOptions {
  /** The network namespace of the node; absent: the machine's own network (a real node). */
  readonly namespace?: string;
  /** Where sockets, database, process ids and logs lie; short, since a socket's path has at most 107 characters. */
  readonly runDirectory: string;
  /** The node's underlay address in CIDR; it lies on the underlay bridge, not on the uplink. */
  readonly underlayAddress: string;
  /** The device that leads to the other nodes; it becomes a port of the underlay bridge. */
  readonly uplink: string;
  /** The underlay bridge's MAC address, better not the uplink's (docs/LAB.md, "Twice"); absent: the uplink's. */
  readonly underlayMac?: string;
  /** The underlay's MTU, 1500 bytes unless said; VXLAN takes 50 of them. */
  readonly underlayMtuBytes?: number;
  /** The bridge's address serves tunnels alone, since the kernel reaches the network itself (`tunnel-door.ts`). */
  readonly isForTunnels?: true;
  /** The next hop of tunnels to what is not in that network; only where the address serves tunnels alone. */
  readonly router?: string;
  /** The next hop of tunnels to that network itself, as where the kernel encrypts what goes there. */
  readonly kernel?: string;
  /** A gateway's private network. */
  readonly inside?: UnderlayLeg;
}

export interface SwitchPort {
  readonly port: string;
  readonly ofport?: number;
  readonly externalIds?: Readonly<Record<string, string>>;
}

/** Creates the database and starts both daemons; resolves when the switch forwards. Rejects with `CommandFailed`. */
export async function startOpenVswitch(options: OpenVswitchOptions): Promise<OpenVswitch> {
  const openVswitch = new OpenVswitch(options);
  await openVswitch.create();
  return openVswitch;
}

export class OpenVswitch {
  readonly #options: OpenVswitchOptions;
  readonly #directory: string;
  readonly #inside: readonly string[];

  constructor(options: OpenVswitchOptions) {
    this.#options = options;
    this.#directory = options.runDirectory;
    this.#inside = options.namespace === undefined ? [] : insideNamespace(options.namespace);
  }

  /** The database's socket (RFC 7047 JSON-RPC). */
  get databaseSocket(): string {
    return `${this.#directory}/db.sock`;
  }

  /** The integration bridge's OpenFlow socket, which needs no controller: for `ovs-ofctl` and for a local agent. */
  get integrationBridgeManagementSocket(): string {
    return `${this.#directory}/${INTEGRATION_BRIDGE}.mgmt`;
  }

  /** For `startOpenVswitch` only: the first start, on an empty directory. */
  async create(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    await this.#run('ovsdb-tool', ['create', `${this.#directory}/conf.db`, SCHEMA]);
    await this.startDatabase();
    await this.ovsVsctl(['--no-wait', ...initialTransaction(this.#options)]);
    await this.startSwitch();
  }

  /** Starts the database's daemon, at first or after it died. */
  async startDatabase(): Promise<void> {
    await this.#daemon('ovsdb-server', [`--remote=punix:${this.databaseSocket}`, `${this.#directory}/conf.db`]);
  }

  /** Starts the switch daemon, at first or after it died; it comes up with the database's set-up and without flows. */
  async startSwitch(): Promise<void> {
    await this.#daemon('ovs-vswitchd', [`unix:${this.databaseSocket}`]);
    const { isForTunnels } = this.#options;
    const words = isForTunnels === true ? ' noprefixroute' : '';
    const lines = legsOf(this.#options).flatMap(({ underlayAddress, bridge }) => [
      `address replace ${underlayAddress} dev ${bridge}${words}`,
      `link set ${bridge} up`,
    ]);
    await this.#run('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
    if (isForTunnels !== true) return;
    for (const { underlayAddress, bridge, router, kernel } of legsOf(this.#options)) {
      await this.#addTunnelRoute([underlayAddress, bridge, ...(kernel === undefined ? [] : [kernel])]);
      if (router !== undefined) await this.#addTunnelRoute([EVERYWHERE, bridge, router]);
    }
  }

  /** The kernel's routes, which the switch would follow, lead past it. Refused until it has heard of its own address. */
  async #addTunnelRoute(words: readonly string[]): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += ADDRESS_POLL_MS) {
      try {
        await this.appctl(['ovs/route/add', ...words]);
        return;
      } catch (error) {
        if (!(error instanceof CommandFailed) || waitedMs >= ADDRESS_TIMEOUT_MS) throw error;
      }
      await sleep(ADDRESS_POLL_MS);
    }
  }

  /** Runs one transaction of `ovs-vsctl` and returns what it printed; waits until the switch has obeyed. */
  ovsVsctl(args: readonly string[]): Promise<string> {
    return this.#run('ovs-vsctl', [`--db=unix:${this.databaseSocket}`, '--no-syslog', '--timeout=50', ...args]);
  }

  /** Sends a command to the switch daemon (`ovs-appctl`), e.g. `['ofproto/trace', 'br-int', 'in_port=2']`. */
  appctl(args: readonly string[]): Promise<string> {
    return this.#run('ovs-appctl', ['-t', `${this.#directory}/ovs-vswitchd.ctl`, ...args]);
  }

  /** Runs `ovs-ofctl` (OpenFlow 1.3) on the integration bridge: `ofctl('dump-flows', [])`. */
  ofctl(command: string, args: readonly string[], input = ''): Promise<string> {
    const bridge = `unix:${this.integrationBridgeManagementSocket}`;
    return this.#run('ovs-ofctl', ['-O', 'OpenFlow13', command, bridge, ...args], input);
  }

  /** Adds a device of the node (a VM's tap, a veth) to the integration bridge, once the node's agent has made that. */
  async addPort(port: SwitchPort): Promise<void> {
    const ids = Object.entries(port.externalIds ?? {}).map(
      ([key, value]) => `external_ids:${key}=${JSON.stringify(value)}`,
    );
    const columns = [...(port.ofport === undefined ? [] : [`ofport_request=${port.ofport}`]), ...ids];
    const set = columns.length === 0 ? [] : ['--', 'set', 'interface', port.port, ...columns];
    const made = ['wait-until', 'bridge', INTEGRATION_BRIDGE, '--'];
    await this.ovsVsctl([...made, 'add-port', INTEGRATION_BRIDGE, port.port, ...set]);
  }

  /** Takes a port off the integration bridge; does nothing if it is not there. */
  async deletePort(port: string): Promise<void> {
    await this.ovsVsctl(['--if-exists', 'del-port', INTEGRATION_BRIDGE, port]);
  }

  /** The switch daemon's process id, for tests that kill it. */
  switchPid(): Promise<number> {
    return this.#pidOf('ovs-vswitchd');
  }

  /** The database daemon's process id, for the same. */
  databasePid(): Promise<number> {
    return this.#pidOf('ovsdb-server');
  }

  /** Ends both daemons; the underlay bridge's device goes with them. Rejects with `OpenVswitchStuck`. */
  async stop(): Promise<void> {
    await this.#end('ovs-vswitchd', ['exit', '--cleanup']);
    await this.#end('ovsdb-server', ['exit']);
  }

  async #pidOf(program: string): Promise<number> {
    return Number((await readFile(`${this.#directory}/${program}.pid`, 'utf8')).trim());
  }

  async #daemon(program: string, args: readonly string[]): Promise<void> {
    const files = ['pidfile', 'unixctl', 'log-file'].map(
      (what) => `--${what}=${this.#directory}/${program}.${suffix(what)}`,
    );
    await this.#run(program, ['--detach', '--no-chdir', '-vconsole:off', '-vsyslog:off', ...files, ...args]);
  }

  async #end(program: string, command: readonly string[]): Promise<void> {
    const daemon = await this.#identify(program);
    if (daemon === undefined) return;
    await runCommand('ovs-appctl', ['-t', `${this.#directory}/${program}.ctl`, ...command]).catch(ignoreCommandFailed);
    for (let waitedMs = 0; waitedMs < STOP_TIMEOUT_MS; waitedMs += STOP_POLL_MS) {
      if (!isSameProcess(daemon)) return;
      await sleep(STOP_POLL_MS);
    }
    throw new OpenVswitchStuck(program, this.#directory);
  }

  // Undefined when the daemon is not running: a clean exit removes the file, a kill leaves it.
  async #identify(program: string): Promise<ProcessIdentity | undefined> {
    const pid = await readFile(`${this.#directory}/${program}.pid`, 'utf8').catch(() => '');
    try {
      return identify(Number(pid));
    } catch (error) {
      if (error instanceof RunDirectoryError) return undefined;
      throw error;
    }
  }

  #run(program: string, args: readonly string[], input = ''): Promise<string> {
    const own = { OVS_RUNDIR: this.#directory, OVS_LOGDIR: this.#directory, OVS_DBDIR: this.#directory };
    const environment = Object.entries(own).map(([key, value]) => `${key}=${value}`);
    const [command = '', ...words] = [...this.#inside, 'env', ...environment, program, ...args];
    return runCommand(command, words, { input });
  }
}

/** A host on the integration bridge: a veth whose far end lies, addressed, in another namespace. For the lab only. */
export async function addVethPort(
  openVswitch: OpenVswitch,
  port: SwitchPort & { readonly namespace: string },
  host: { namespace: string; device: string; address: string; mac: string; mtuBytes: number },
): Promise<void> {
  await createVethPair({ namespace: port.namespace, device: port.port }, host, host.mtuBytes);
  await openVswitch.addPort(port);
}

/** The transaction that sets up an empty database: the underlay bridges with their uplinks. */
export function initialTransaction(options: OpenVswitchOptions): readonly string[] {
  const commands = [
    ['init'],
    // One revalidator thread: by default each switch starts as many threads as the machine has cores.
    ['set', 'Open_vSwitch', '.', 'other_config:n-revalidator-threads=1'],
    ...legsOf(options).flatMap((leg) => legCommands(leg, options.underlayMtuBytes)),
  ];
  return commands.flatMap((command) => ['--', ...command]);
}

function legsOf(options: OpenVswitchOptions): readonly UnderlayLeg[] {
  return [{ ...options, bridge: UNDERLAY_BRIDGE }, ...(options.inside === undefined ? [] : [options.inside])];
}

function legCommands({ bridge, uplink, underlayMac }: UnderlayLeg, mtuBytes = 1500): string[][] {
  const mac = underlayMac === undefined ? [] : [`other_config:hwaddr=${JSON.stringify(underlayMac)}`];
  return [
    ['add-br', bridge],
    ['set', 'bridge', bridge, 'datapath_type=netdev', ...mac],
    ['set', 'interface', bridge, `mtu_request=${mtuBytes}`],
    ['add-port', bridge, uplink],
  ];
}

function suffix(what: string): string {
  if (what === 'pidfile') return 'pid';
  return what === 'unixctl' ? 'ctl' : 'log';
}

// A daemon that died before the command reached it is ended all the same; its process id decides.
function ignoreCommandFailed(error: unknown): void {
  if (!(error instanceof CommandFailed)) throw error;
}
