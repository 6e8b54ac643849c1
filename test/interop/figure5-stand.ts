// The lab's ground of Figure 5 with its switches, their agents and the overlay's controller, and hosts in place of guests:
// what a gateway is tested on, with a bridge in the WAN's place. Not a test itself.
import { createAuthority, issueIdentity, saveAuthority } from '../../common/membership/authority.ts';
import { saveIdentity } from '../../common/membership/identity.ts';
import { Cloud } from '../../lab/cloud.ts';
import { ORCHESTRATOR, SDND, SWITCH_AGENT, UNDERLAY } from '../../lab/daemons.ts';
import { FIGURE5, TWO_GATEWAYS } from '../../lab/figure5.ts';
import { groundNamespaces, layBridgedGround } from '../../lab/ground.ts';
import { createNamespaces, createVethPair, namespaceName, runIn } from '../../lab/namespace.ts';
import { addVethPort } from '../../lab/open-vswitch.ts';
import { type Reaper, startReaper } from '../../lab/reaper.ts';
import { RunDirectory } from '../../lab/run-directory.ts';
import { type CloudPlan, encrypted, type LabTopology } from '../../lab/topology.ts';
import { wireGuardDevice } from '../../lab/wireguard.ts';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import { TUNNEL_OFPORT } from '../../sdnd/agent/node-switch.ts';
import type { MethodName, Params, Result } from '../../wire/contract.ts';
import { type Binding, sdndContract, switchAgentContract } from '../../wire/contracts/sdnd.ts';
import { type UnderlayPlace, underlayContract } from '../../wire/contracts/underlay.ts';
import { SDND_PORT, SWITCH_AGENT_PORT, UNDERLAY_PORT } from '../../wire/ports.ts';
import { makeIntegrationBridge } from './integration-bridge.ts';
import { NamespaceCaller } from './namespace-caller.ts';
import { answeredPings } from './pings.ts';

const GUEST_MTU_BYTES = 1330;
const HOST_OFPORT = 10;

/** A host in a namespace of its own, behind a port that the agent of its node made. */
interface Host {
  readonly role: string;
  readonly last: number;
}

export class Figure5Stand {
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly #topology: LabTopology;
  readonly #run: RunDirectory;
  readonly #reaper: Reaper;
  #caller: NamespaceCaller | undefined;

  private constructor(topology: LabTopology, nodes: readonly string[], run: RunDirectory, reaper: Reaper) {
    this.#topology = topology;
    this.#run = run;
    this.#reaper = reaper;
    const [controller] = topology.clouds as [CloudPlan];
    const started = topology.clouds.filter(({ node }) => nodes.includes(node));
    const clouds = started.map((plan) => {
      const directories = { run: `${run.path}/${plan.cloud}`, state: `${run.dataPath}/${plan.cloud}` };
      const onTrouble = (message: string): boolean => process.stderr.write(`${message}\n`);
      const namespace = this.#name(plan.cloud);
      const wireguard = wireGuardDevice(run.runId, plan.cloud);
      return new Cloud({ plan, controller, standbys: [], namespace, wireguard, directories, onTrouble });
    });
    this.clouds = new Map(clouds.map((cloud) => [cloud.plan.node, cloud]));
  }

  /** Wired for two gateways of the private network, of which one is a member as such. On failure nothing is left. */
  static async start(): Promise<Figure5Stand> {
    const stand = await Figure5Stand.#startOn(TWO_GATEWAYS, ['alpha', 'beta', 'gamma', 'delta']);
    try {
      await stand.tellMembers(FIGURE5);
      return stand;
    } catch (error) {
      await stand.stop();
      throw error;
    }
  }

  /**
   * With WireGuard between the nodes, of which gamma is none: its kernel alone serves the private network. No Internet, and of
   * the daemons only those that exchange keys: the switches have what `tunnelBy` gives them.
   */
  static startEncrypted(): Promise<Figure5Stand> {
    const { internet: _internet, ...map } = encrypted(FIGURE5);
    return Figure5Stand.#startOn(map, ['alpha', 'beta', 'delta']);
  }

  static async #startOn(topology: LabTopology, nodes: readonly string[]): Promise<Figure5Stand> {
    const run = new RunDirectory();
    const stand = new Figure5Stand(topology, nodes, run, await startReaper(run.runId));
    try {
      await stand.#start();
      return stand;
    } catch (error) {
      await stand.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#caller?.end();
    for (const cloud of this.clouds.values()) cloud.expectEnd();
    await this.#run.remove();
    await this.#reaper.dismiss();
  }

  get internetHost(): string {
    return this.#topology.internet?.host ?? '';
  }

  cloud(node: string): Cloud {
    const cloud = this.clouds.get(node);
    if (cloud === undefined) throw new TypeError(`there is no cloud ${node}`);
    return cloud;
  }

  /** Tells the overlay's controller that the nodes stand as they do on that map. */
  async tellMembers({ clouds }: LabTopology): Promise<void> {
    const members = clouds.map(({ node, address, outer, underlay }) => ({
      ...{ node, address: outer ?? address, ...underlay },
    }));
    await this.sdnd('members.set', { members });
  }

  /** Calls the overlay's controller as the orchestrator does. */
  sdnd<N extends MethodName<typeof sdndContract>>(
    method: N,
    params: Params<typeof sdndContract, N>,
  ): Promise<Result<typeof sdndContract, N>> {
    return this.#calls.call(sdndContract, this.#place('alpha', SDND_PORT), method, params);
  }

  /** Calls a node's agent, from the controller's node, but as that node, which alone turns its gates. */
  agent<N extends MethodName<typeof switchAgentContract>>(
    node: string,
    method: N,
    params: Params<typeof switchAgentContract, N>,
  ): Promise<Result<typeof switchAgentContract, N>> {
    const place = this.#place(node, SWITCH_AGENT_PORT);
    return this.#calls.call(switchAgentContract, place, method, params);
  }

  /** Makes a host of that last octet at a node and its port there. */
  async addHost(owner: string, node: string, { role, last }: Host): Promise<void> {
    const namespace = this.#name(role);
    this.#run.addNamespaces([namespace]);
    await createNamespaces([namespace]);
    const far = { namespace, device: 'eth0', address: `10.88.0.${last}/24`, mac: macOf(last) };
    const near = { namespace: this.cloud(node).namespace, device: portName(owner) };
    await createVethPair(near, far, GUEST_MTU_BYTES);
    await this.agent(node, 'port.attach', { owner, mac: macOf(last) });
  }

  /** A host at a node whose switch nobody else drives, with a tunnel by hand to the node at that address. */
  async tunnelBy(node: string, { role, last }: Host, peer: string): Promise<void> {
    const [cloud, namespace] = [this.cloud(node), this.#name(role)];
    await makeIntegrationBridge(cloud.openVswitch.databaseSocket);
    this.#run.addNamespaces([namespace]);
    await createNamespaces([namespace]);
    const port = { namespace: cloud.namespace, port: 'host0', ofport: HOST_OFPORT };
    const ends = { address: `10.88.0.${last}/24`, mac: macOf(last), mtuBytes: GUEST_MTU_BYTES };
    await addVethPort(cloud.openVswitch, port, { namespace, device: 'eth0', ...ends });
    const out = `in_port=${HOST_OFPORT},actions=set_field:8->tun_id,set_field:${peer}->tun_dst,output:${TUNNEL_OFPORT}`;
    const back = `in_port=${TUNNEL_OFPORT},actions=output:${HOST_OFPORT}`;
    await cloud.openVswitch.ofctl('add-flows', ['-'], `${out}\n${back}\n`);
  }

  /** Takes a place in the underlay as a node, which the controller refuses if it answers at all. */
  takePlace(as: string, place: UnderlayPlace): Promise<object> {
    const { node, address } = this.cloud('alpha').plan;
    const call = { node, address, port: UNDERLAY_PORT, identity: this.cloud(as).identityDirectory };
    return this.#calls.call(underlayContract, call, 'underlay.join', place);
  }

  /** The name of a node's WireGuard device. */
  deviceOf(node: string): string {
    return wireGuardDevice(this.#run.runId, this.cloud(node).plan.cloud);
  }

  /** The namespace of a role in this run. */
  nameOf(role: string): string {
    return this.#name(role);
  }

  /** How many pings from a host to an address of the overlay came back of so many, each waited for as long as it may take. */
  answered(role: string, last: number, count = 2): Promise<number> {
    return answeredPings(this.#name(role), `10.88.0.${last}`, count);
  }

  /** How many of the pings from a host to an address of the overlay came back in time. */
  async pings(role: string, last: number, count = 2): Promise<number> {
    const words = `ping -n -q -i 0.05 -W 1 -c ${count} 10.88.0.${last} || true`;
    const text = await runIn(this.#name(role), 'sh', ['-c', words]);
    return Number(/(\d+) received/.exec(text)?.[1] ?? Number.NaN);
  }

  #name(role: string): string {
    return namespaceName(this.#run.runId, role);
  }

  async #start(): Promise<void> {
    this.#run.addNamespaces(groundNamespaces(this.#run.runId, this.#topology));
    await layBridgedGround(this.#run.runId, this.#topology);
    const authority = await createAuthority();
    const alpha = this.cloud('alpha');
    await saveAuthority(`${alpha.directories.state}/authority`, authority);
    await Promise.all(
      [...this.clouds.values()].map(async (cloud) => {
        const { node, role } = cloud.plan;
        await saveIdentity(cloud.identityDirectory, await issueIdentity(authority, { node, role }));
        await cloud.startSwitch();
      }),
    );
    this.#caller = new NamespaceCaller(alpha.namespace);
    const isEncrypted = alpha.plan.wireguard !== undefined;
    const kinds = isEncrypted ? { controller: ORCHESTRATOR, node: UNDERLAY } : { controller: SDND, node: SWITCH_AGENT };
    const all = [...this.clouds.values()].map((cloud) => cloud.startDaemon(kinds.node));
    await Promise.all([alpha.startDaemon(kinds.controller), ...all]);
  }

  // From the controller's node: a node behind the NAT is called by its outer address, a private one through its gateway.
  get #calls(): NamespaceCaller {
    if (this.#caller === undefined) throw new TypeError('the stand has not been started');
    return this.#caller;
  }

  #place(node: string, port: number) {
    const { plan, identityDirectory: identity } = this.cloud(node);
    return { node, address: plan.outer ?? plan.address, port, identity };
  }
}

/** The MAC address of the host with that last octet. */
export function macOf(last: number): string {
  return `02:88:00:00:00:${last.toString(16).padStart(2, '0')}`;
}

/** The binding of such a host at a node's port. */
export function bindingOf(owner: string, node: string, last: number, epoch = 1): Binding {
  return { owner, node, port: portName(owner), mac: macOf(last), ip: `10.88.0.${last}`, epoch };
}
