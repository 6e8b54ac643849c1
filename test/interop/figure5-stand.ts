// The lab's ground of Figure 5 with its switches, their agents and the overlay's controller, and hosts in place of guests:
// what a gateway is tested on, without the WAN's delay. Not a test itself.
import { createAuthority, issueIdentity } from '../../common/authority.ts';
import { saveIdentity } from '../../common/identity.ts';
import { Cloud } from '../../lab/cloud.ts';
import { SDND, SWITCH_AGENT } from '../../lab/daemons.ts';
import { FIGURE5 } from '../../lab/figure5.ts';
import { groundNamespaces, layGround } from '../../lab/ground.ts';
import { createNamespaces, createVethPair, namespaceName, runIn } from '../../lab/namespace.ts';
import { type Reaper, startReaper } from '../../lab/reaper.ts';
import { RunDirectory } from '../../lab/run-directory.ts';
import type { CloudPlan } from '../../lab/topology.ts';
import { portName } from '../../sdnd/guest-ports.ts';
import type { MethodName, Params, Result } from '../../wire/contract.ts';
import { type Binding, sdndContract, switchAgentContract } from '../../wire/contracts/sdnd.ts';
import { SDND_PORT, SWITCH_AGENT_PORT } from '../../wire/ports.ts';
import { NamespaceCaller } from './namespace-caller.ts';

const GUEST_MTU_BYTES = 1330;
const TOPOLOGY = { ...FIGURE5, roundTripsMs: [] };

/** A host in a namespace of its own, behind a port that the agent of its node made. */
interface Host {
  readonly role: string;
  readonly last: number;
}

export class Figure5Stand {
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly #run: RunDirectory;
  readonly #reaper: Reaper;
  #caller: NamespaceCaller | undefined;

  private constructor(run: RunDirectory, reaper: Reaper) {
    this.#run = run;
    this.#reaper = reaper;
    const [controller] = TOPOLOGY.clouds as [CloudPlan];
    const clouds = TOPOLOGY.clouds.map((plan) => {
      const directories = { run: `${run.path}/${plan.cloud}`, state: `${run.dataPath}/${plan.cloud}` };
      const onTrouble = (message: string): boolean => process.stderr.write(`${message}\n`);
      return new Cloud({ plan, controller, namespace: this.#name(plan.cloud), directories, onTrouble });
    });
    this.clouds = new Map(clouds.map((cloud) => [cloud.plan.node, cloud]));
  }

  /** On failure nothing is left. */
  static async start(): Promise<Figure5Stand> {
    const run = new RunDirectory();
    const stand = new Figure5Stand(run, await startReaper(run.runId));
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
    for (const cloud of this.clouds.values()) for (const daemon of cloud.daemons.values()) daemon.expectEnd();
    await this.#run.remove();
    await this.#reaper.dismiss();
  }

  get internetHost(): string {
    return TOPOLOGY.internet?.host ?? '';
  }

  cloud(node: string): Cloud {
    const cloud = this.clouds.get(node);
    if (cloud === undefined) throw new TypeError(`there is no cloud ${node}`);
    return cloud;
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

  /** How many of the pings from a host to an address of the overlay came back. */
  async pings(role: string, last: number, count = 2): Promise<number> {
    const words = `ping -n -q -i 0.05 -W 1 -c ${count} 10.88.0.${last} || true`;
    const text = await runIn(this.#name(role), 'sh', ['-c', words]);
    return Number(/(\d+) received/.exec(text)?.[1] ?? Number.NaN);
  }

  #name(role: string): string {
    return namespaceName(this.#run.runId, role);
  }

  async #start(): Promise<void> {
    this.#run.addNamespaces(groundNamespaces(this.#run.runId, TOPOLOGY));
    await layGround(this.#run.runId, TOPOLOGY);
    const authority = await createAuthority();
    await Promise.all(
      [...this.clouds.values()].map(async (cloud) => {
        const { node, role } = cloud.plan;
        await saveIdentity(cloud.identityDirectory, await issueIdentity(authority, { node, role }));
        await cloud.startSwitch();
        await cloud.startDaemon(SWITCH_AGENT);
      }),
    );
    await this.cloud('alpha').startDaemon(SDND);
    this.#caller = new NamespaceCaller(this.cloud('alpha').namespace);
    const members = TOPOLOGY.clouds.map(({ node, address, outer, underlay }) => {
      return { node, address: outer ?? address, ...underlay };
    });
    await this.sdnd('members.set', { members });
  }

  // From the controller's node: a node behind the NAT is called by its outer address, a private one through its gateway.
  get #calls(): NamespaceCaller {
    if (this.#caller === undefined) throw new TypeError('the stand has not been started');
    return this.#caller;
  }

  #place(node: string, port: number) {
    const { address, outer } = this.cloud(node).plan;
    return { node, address: outer ?? address, port, identity: this.cloud(node).identityDirectory };
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
