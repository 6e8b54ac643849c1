// Three nodes with a switch, an agent and (on the first) the overlay's controller, on an underlay without delay, and
// hosts behind the switches' ports in place of guests. Set up for tests and taken down whole.
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../common/errors.ts';
import { createAuthority, issueIdentity, saveAuthority } from '../../common/membership/authority.ts';
import { saveIdentity } from '../../common/membership/identity.ts';
import { DaemonProcess } from '../../lab/daemon-process.ts';
import {
  createNamespaces,
  createVethPair,
  createVethPairs,
  destroyNamespaces,
  namespaceName,
  runIn,
  type VethEnd,
} from '../../lab/namespace.ts';
import { type OpenVswitch, startOpenVswitch } from '../../lab/open-vswitch.ts';
import type { Contract, MethodName, Params, Result } from '../../wire/contract.ts';
import { orchestratorContract } from '../../wire/contracts/orchestrator.ts';
import { sdndContract, switchAgentContract } from '../../wire/contracts/sdnd.ts';
import type { Endpoint } from '../../wire/names.ts';
import { ORCHESTRATOR_PORT, SDND_PORT, SWITCH_AGENT_PORT } from '../../wire/ports.ts';
import { until } from '../until.ts';
import { NamespaceCaller } from './namespace-caller.ts';

export const NODES = ['alpha', 'beta', 'gamma'] as const;
export type NodeName = (typeof NODES)[number];
export const ADDRESS: Readonly<Record<NodeName, string>> = {
  alpha: '10.77.0.1',
  beta: '10.77.0.2',
  gamma: '10.77.0.3',
};

const UPLINK = 'up0';
const GUEST_MTU_BYTES = 1330;
const LOG_TAIL_LINES = 8;
const NEIGHBOURS_KEPT_MS = 3_600_000;
const RUN_ID = `sdnd${process.pid}`;

/** A host in a namespace of its own behind a port of a node's switch. */
export interface Host {
  readonly namespace: string;
  readonly mac: string;
  readonly ip: string;
}

interface SwitchesPlan {
  readonly outside?: Readonly<Partial<Record<NodeName, string>>>;
  readonly seats?: readonly NodeName[];
}

export class ThreeSwitches {
  readonly switches = new Map<NodeName, OpenVswitch>();
  readonly agents = new Map<NodeName, DaemonProcess>();
  readonly #directory = mkdtempSync(join(tmpdir(), 'sdnd-'));
  readonly #namespaces: string[] = [];
  /** By node: the device that leads outside, for its agent. */
  readonly #outside: Readonly<Partial<Record<NodeName, string>>>;
  readonly #controllers = new Map<NodeName, DaemonProcess>();
  readonly #seats: readonly NodeName[];
  #caller: NamespaceCaller | undefined;
  #orchestrator: DaemonProcess | undefined;

  /** `seats`: nodes with a controller; of several one is active when it is told to be. */
  constructor({ outside = {}, seats = ['alpha'] }: SwitchesPlan = {}) {
    this.#outside = outside;
    this.#seats = seats;
  }

  /** Resolves once all switches have found the controller, which has been told of the members. */
  async start(): Promise<void> {
    await this.#namespace('wire', ...NODES);
    await this.#wire();
    const authority = await createAuthority();
    for (const node of NODES) {
      const role = node === 'alpha' ? 'controller' : 'node';
      await saveIdentity(this.#identity(node), await issueIdentity(authority, { node, role }));
    }
    if (this.#seats.length > 1) {
      await saveAuthority(this.#authority, authority);
      await saveIdentity(
        this.#identity('operator'),
        await issueIdentity(authority, { node: 'operator', role: 'operator' }),
      );
    }
    await Promise.all(NODES.map((node) => this.#startNode(node)));
    for (const node of this.#seats) await this.startController(node);
    this.#caller = new NamespaceCaller(namespaceName(RUN_ID, 'alpha'));
    if (this.#seats.length > 1) return;
    await this.eventually('the switches have found the controller', async () => {
      const { switches } = await this.sdnd('switch.verify', {});
      return switches.filter(({ connected }) => connected).length === NODES.length;
    });
    await this.sdnd('members.set', { members: NODES.map((node) => ({ node, address: ADDRESS[node] })) });
  }

  async stop(): Promise<void> {
    await this.#caller?.end();
    const daemons = [this.#orchestrator, ...this.#controllers.values(), ...this.agents.values()];
    for (const daemon of daemons) await daemon?.stop();
    for (const openVswitch of this.switches.values()) await openVswitch.stop();
    await destroyNamespaces(this.#namespaces);
    rmSync(this.#directory, { recursive: true });
  }

  /** Waits for something that nothing tells of; resolves with how long it took, ms. */
  async eventually(what: string, check: () => Promise<boolean>): Promise<number> {
    const begunMs = performance.now();
    await until(what, check).catch((cause: unknown) => {
      throw new Error(`${messageOf(cause)}\n${this.logTails()}`, { cause });
    });
    return Math.round(performance.now() - begunMs);
  }

  /** The last lines of every log: what a failure is explained from, since the logs go with the nodes. */
  logTails(): string {
    const tail = (file: string): string =>
      readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
    const files = globSync(`${this.#directory}/*/*.log`).sort();
    return files.map((file) => `--- ${file}\n${tail(file)}`).join('\n');
  }

  switch(node: NodeName): OpenVswitch {
    const openVswitch = this.switches.get(node);
    if (openVswitch === undefined) throw new TypeError(`there is no switch at ${node}`);
    return openVswitch;
  }

  namespaceOf(node: NodeName): string {
    return namespaceName(RUN_ID, node);
  }

  /**
   * Waits until a switch's counters are those of all frames so far: Open vSwitch adds a tunnel's when it looks its flows
   * through, and says when it has. The first look may have begun before.
   */
  async counted(node: NodeName): Promise<void> {
    for (let look = 0; look < 2; look++) await this.switch(node).appctl(['revalidator/wait']);
  }

  async startController(node: NodeName = 'alpha'): Promise<void> {
    const elected = this.#seats.length > 1 ? { elected: true } : {};
    this.#controllers.set(node, await this.#daemon(node, 'sdnd', 'sdnd/main.ts', elected));
  }

  /** As a fault: to be frozen, or to go on. */
  signalController(node: NodeName, signal: NodeJS.Signals): void {
    this.#controllers.get(node)?.signal(signal);
  }

  /** At alpha, in a cluster of its own; of nets with several seats. */
  async startOrchestrator(): Promise<void> {
    const networkStandbys = this.#standbys;
    const config = { run: `${this.#directory}/alpha`, authority: this.#authority, networkStandbys };
    mkdirSync(`${this.#directory}/alpha/orchestrator`, { recursive: true });
    this.#orchestrator = await this.#daemon('alpha', 'orchestrator', 'orchestrator/main.ts', config);
  }

  async killController(node: NodeName = 'alpha'): Promise<void> {
    this.#controllers.get(node)?.signal('SIGKILL');
    await this.#controllers.get(node)?.stop();
  }

  async startAgent(node: NodeName): Promise<void> {
    const controller = { controller: ADDRESS.alpha, controllerNode: 'alpha', standbys: this.#standbys };
    const outside = this.#outside[node];
    const egress = outside === undefined ? {} : { outside };
    const config = { openVswitch: this.#ovs(node), datapath: 'netdev', ...controller, ...egress };
    this.agents.set(node, await this.#daemon(node, 'agent', 'sdnd/agent-main.ts', config));
  }

  async killAgent(node: NodeName): Promise<void> {
    this.agents.get(node)?.signal('SIGKILL');
    await this.agents.get(node)?.stop();
  }

  /** As a fault, of an agent that does not run: all that it has on its disk is gone. */
  emptyAgentState(node: NodeName): void {
    rmSync(`${this.#directory}/${node}/agent`, { recursive: true });
  }

  /** Of the agent's own files. */
  agentFile(node: NodeName, name: string): string {
    return `${this.#directory}/${node}/agent/${name}`;
  }

  /** A host whose wire is the device `port` at the node; that port is not yet one of the switch. */
  async addHost(role: string, node: NodeName, port: string, mac: string, ip: string): Promise<Host> {
    const namespace = await this.#namespace(role);
    const far: VethEnd = { namespace, device: 'eth0', address: `${ip}/24`, mac };
    await createVethPair({ namespace: namespaceName(RUN_ID, node), device: port }, far, GUEST_MTU_BYTES);
    // Its kernel asks for no neighbour again by itself, so that frames can be counted.
    await runIn(namespace, 'sysctl', ['-qw', `net.ipv4.neigh.eth0.base_reachable_time_ms=${NEIGHBOURS_KEPT_MS}`]);
    return { namespace, mac, ip };
  }

  /** Calls the overlay's controller as the orchestrator, which is at alpha, does. */
  sdnd<N extends MethodName<typeof sdndContract>>(
    method: N,
    params: Params<typeof sdndContract, N>,
    node: NodeName = 'alpha',
  ): Promise<Result<typeof sdndContract, N>> {
    return this.#call(sdndContract, node, SDND_PORT, method, params, 'alpha');
  }

  /** Calls a node's agent as that node's other daemons do. */
  agent<N extends MethodName<typeof switchAgentContract>>(
    node: NodeName,
    method: N,
    params: Params<typeof switchAgentContract, N>,
  ): Promise<Result<typeof switchAgentContract, N>> {
    return this.#call(switchAgentContract, node, SWITCH_AGENT_PORT, method, params);
  }

  /** Where a node's identity lies, for a program of a test's own there. */
  identityOf(node: NodeName): string {
    return this.#identity(node);
  }

  /** Calls the orchestrator, as its operator or as a node. */
  orchestrator<N extends MethodName<typeof orchestratorContract>>(
    method: N,
    params: Params<typeof orchestratorContract, N>,
    as: NodeName | 'operator' = 'operator',
  ): Promise<Result<typeof orchestratorContract, N>> {
    return this.#call(orchestratorContract, 'alpha', ORCHESTRATOR_PORT, method, params, as);
  }

  /** How long the last call took, ms. */
  get tookMs(): number {
    return this.#caller?.tookMs ?? 0;
  }

  #call<C extends Contract, N extends MethodName<C>>(
    contract: C,
    node: NodeName,
    port: number,
    method: N,
    params: Params<C, N>,
    as: NodeName | 'operator' = node,
  ): Promise<Result<C, N>> {
    if (this.#caller === undefined) throw new TypeError('the caller has not been started');
    const place = { node, address: ADDRESS[node], port, identity: this.#identity(as) };
    return this.#caller.call(contract, place, method, params);
  }

  async #namespace(...roles: readonly string[]): Promise<string> {
    const names = roles.map((role) => namespaceName(RUN_ID, role));
    this.#namespaces.push(...names);
    await createNamespaces(names);
    return names[0] ?? '';
  }

  async #wire(): Promise<void> {
    const wire = namespaceName(RUN_ID, 'wire');
    const pairs = NODES.map(
      (node) =>
        [
          { namespace: wire, device: `to-${node}` },
          { namespace: namespaceName(RUN_ID, node), device: UPLINK },
        ] as const,
    );
    await createVethPairs(pairs);
    const ports = NODES.map((node) => `ip link set to-${node} master br0`).join(' && ');
    await runIn(wire, 'sh', ['-c', `ip link add br0 type bridge && ip link set br0 up && ${ports}`]);
  }

  async #startNode(node: NodeName): Promise<void> {
    const openVswitch = await startOpenVswitch({
      namespace: namespaceName(RUN_ID, node),
      runDirectory: this.#ovs(node),
      underlayAddress: `${ADDRESS[node]}/24`,
      uplink: UPLINK,
    });
    this.switches.set(node, openVswitch);
    await this.startAgent(node);
  }

  #daemon(node: NodeName, name: string, script: string, config: Record<string, unknown>): Promise<DaemonProcess> {
    const directory = `${this.#directory}/${node}`;
    mkdirSync(directory, { recursive: true });
    const common = { state: `${directory}/${name}`, identity: this.#identity(node), address: ADDRESS[node] };
    const plan = { name, namespace: namespaceName(RUN_ID, node), script, config: { ...common, ...config }, directory };
    return DaemonProcess.start(plan, (message) => process.stderr.write(`${message}\n`));
  }

  get #standbys(): Endpoint[] {
    return this.#seats.slice(1).map((seat) => ({ node: seat, address: ADDRESS[seat] }));
  }

  get #authority(): string {
    return `${this.#directory}/authority`;
  }

  #identity(node: NodeName | 'operator'): string {
    return `${this.#directory}/${node}-identity`;
  }

  #ovs(node: NodeName): string {
    return `${this.#directory}/${node}-ovs`;
  }
}
