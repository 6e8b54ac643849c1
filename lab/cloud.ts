// One cloud of the lab: a namespace, its Open vSwitch, and the daemons of its one node.
import { mkdirSync } from 'node:fs';
import { type DaemonPlan, DaemonProcess } from './daemon-process.ts';
import { BLOCKD, CONTROLLER, type DaemonKind, HYPERVISOR, SDND, SWITCH_AGENT, UNDERLAY } from './daemons.ts';
import { INSIDE_UPLINK, UPLINK } from './ground.ts';
import { INSIDE_BRIDGE, type OpenVswitch, startOpenVswitch } from './open-vswitch.ts';
import { openOutsideDoor } from './outside-door.ts';
import { runSupercloud } from './program.ts';
import { type CloudPlan, PREFIX } from './topology.ts';
import { INSIDE_TUNNEL_UPLINK, openInsideTunnelDoor, openTunnelDoor, TUNNEL_UPLINK } from './tunnel-door.ts';
import { openWireGuardDoor, startWireGuard, TUNNEL_ROUTER } from './wireguard.ts';

/** Where a cloud's node keeps its files. */
export interface CloudDirectories {
  /** Sockets, configuration, logs; short paths. */
  readonly run: string;
  /** Identity, stores, journals. */
  readonly state: string;
}

export class Cloud {
  readonly plan: CloudPlan;
  readonly namespace: string;
  readonly directories: CloudDirectories;
  readonly daemons = new Map<string, DaemonProcess>();
  readonly #wireguard: string;
  readonly #controller: CloudPlan;
  readonly #standbys: readonly CloudPlan[];
  readonly #onTrouble: (message: string) => void;
  #openVswitch: OpenVswitch | undefined;
  #isLeaving = false;

  constructor(options: {
    plan: CloudPlan;
    controller: CloudPlan;
    /** Clouds with a controller of the overlay that stands by. */
    standbys: readonly CloudPlan[];
    namespace: string;
    /** What its WireGuard device is called, if its plan has one. */
    wireguard: string;
    directories: CloudDirectories;
    onTrouble: (message: string) => void;
  }) {
    this.plan = options.plan;
    this.namespace = options.namespace;
    this.directories = options.directories;
    this.#wireguard = options.wireguard;
    this.#controller = options.controller;
    this.#standbys = options.standbys;
    this.#onTrouble = options.onTrouble;
    for (const directory of Object.values(this.directories)) mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  get identityDirectory(): string {
    return `${this.directories.state}/identity`;
  }

  get openVswitch(): OpenVswitch {
    if (this.#openVswitch === undefined) throw new TypeError(`the switch of ${this.plan.cloud} has not been started`);
    return this.#openVswitch;
  }

  /** Starts the switch with its underlay; what the overlay needs of it, the node's switch agent makes. */
  async startSwitch(): Promise<void> {
    const runDirectory = `${this.directories.run}/ovs`;
    const { wireguard: address, mac, outside } = this.plan;
    if (outside !== undefined) await openOutsideDoor(this.namespace, UPLINK, outside);
    if (address === undefined) {
      this.#openVswitch = await startSwitchOf(this.plan, this.namespace, runDirectory);
      return;
    }
    const device = this.#wireguard;
    const log = `${this.directories.run}/wireguard-go.log`;
    await startWireGuard(this.namespace, { device, address, log }, (how) => {
      if (!this.#isLeaving) this.#onTrouble(`wireguard-go in ${this.namespace} ended (${how})`);
    });
    await openWireGuardDoor(this.namespace, { device, address, mac });
    this.#openVswitch = await startOpenVswitch({
      ...{ namespace: this.namespace, runDirectory, isForTunnels: true, kernel: TUNNEL_ROUTER },
      ...{ underlayAddress: `${address}/${PREFIX}`, underlayMac: mac, uplink: TUNNEL_UPLINK },
    });
  }

  /** From now on the end of its processes is no trouble: the lab is being taken down. */
  expectEnd(): void {
    this.#isLeaving = true;
    for (const daemon of this.daemons.values()) daemon.expectEnd();
  }

  /** Makes this node the controller of a new cluster. */
  async initialise(): Promise<void> {
    await runSupercloud(this.namespace, ['init', '--state', this.directories.state, '--node', this.plan.node]);
  }

  /** Makes this node a member with a join string, given as its owner would give it. */
  async join(token: string): Promise<void> {
    const args = ['join', '--node', this.plan.node, '--identity', this.identityDirectory];
    await runSupercloud(this.namespace, args, token);
  }

  /** The daemons that only the controller node has. */
  async startController(): Promise<void> {
    await Promise.all(CONTROLLER.map((kind) => this.startDaemon(kind)));
  }

  /** The daemons that every node has, and a controller that stands by; first the one by which the others are reached. */
  async startNode(): Promise<void> {
    if (this.plan.wireguard !== undefined) await this.startDaemon(UNDERLAY);
    const kinds = [BLOCKD, SWITCH_AGENT, HYPERVISOR, ...(this.plan.standsBy === true ? [SDND] : [])];
    await Promise.all(kinds.map((kind) => this.startDaemon(kind)));
  }

  /** The daemon of a kind as it was started last; it may have ended since. */
  daemon({ name }: DaemonKind): DaemonProcess {
    const daemon = this.daemons.get(name);
    if (daemon === undefined) throw new TypeError(`${this.plan.cloud} has started no ${name}`);
    return daemon;
  }

  /** Starts a daemon, for the first time or again after its end; answers when it is ready. */
  async startDaemon(kind: DaemonKind): Promise<void> {
    const plan: DaemonPlan = {
      name: kind.name,
      namespace: this.namespace,
      script: kind.script,
      directory: this.directories.run,
      config: kind.config({
        plan: this.plan,
        controller: this.#controller,
        standbys: this.#standbys,
        ...this.directories,
        identity: this.identityDirectory,
        wireguard: this.#wireguard,
      }),
    };
    this.daemons.set(kind.name, await DaemonProcess.start(plan, this.#onTrouble));
  }
}

/** A cloud's switch with its underlay, or both of a gateway's, on the ground that has been laid. */
export async function startSwitchOf(plan: CloudPlan, namespace: string, runDirectory: string): Promise<OpenVswitch> {
  const { address, mac, router, inside } = plan;
  await openTunnelDoor(namespace, UPLINK);
  if (inside !== undefined) await openInsideTunnelDoor(namespace, INSIDE_UPLINK);
  return startOpenVswitch({
    ...{ namespace, runDirectory, isForTunnels: true },
    ...{ underlayAddress: `${address}/${PREFIX}`, underlayMac: mac, uplink: TUNNEL_UPLINK },
    ...(router !== undefined && { router }),
    ...(inside !== undefined && {
      inside: {
        ...{ bridge: INSIDE_BRIDGE, uplink: INSIDE_TUNNEL_UPLINK },
        ...{ underlayAddress: `${inside.address}/${PREFIX}`, underlayMac: inside.mac },
      },
    }),
  });
}
