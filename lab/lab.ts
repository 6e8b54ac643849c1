// The lab: three clouds on this machine, joined into one cluster over an emulated WAN. Everything it makes is written
// into the run's manifest first, so that a crashed run can be removed whole.
import { renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { loadIdentity } from '../common/membership/identity.ts';
import type { RpcClient } from '../common/rpc/client.ts';
import { rpcClient } from '../common/rpc/client.ts';
import type { ProgressLine } from '../common/terminal/progress.ts';
import { orchestratorContract } from '../wire/contracts/orchestrator.ts';
import { Cloud } from './cloud.ts';
import { type Doorway, openDoorway } from './doorway.ts';
import { groundNamespaces, layGround, wanPortOf } from './ground.ts';
import { GUEST_PORTS } from './guest/control.ts';
import { INTERNET } from './internet/internet.ts';
import { createNamespaces, namespaceName } from './namespace.ts';
import { addVethPort } from './open-vswitch.ts';
import type { OutsidePlace } from './outside-probe.ts';
import { type Reaper, startReaper } from './reaper.ts';
import { CURRENT_CONTEXT, RunDirectory } from './run-directory.ts';
import { GUEST, GUEST_MTU_BYTES, type LabTopology, PREFIX, THREE_CLOUDS } from './topology.ts';
import type { Wan } from './wan/wan.ts';
import { openWanDoor, type WanDoor } from './wan-door.ts';
import { wireGuardDevice } from './wireguard.ts';

const NODES_UP_TIMEOUT_MS = 60_000;

/** What the operator's client calls. */
export type Operator = RpcClient<typeof orchestratorContract>;

export class Lab {
  readonly run: RunDirectory;
  readonly topology: LabTopology;
  readonly clouds: readonly Cloud[];
  readonly troubles: string[] = [];
  readonly #line: ProgressLine;
  readonly #reaper: Reaper;
  #wan: Wan | undefined;
  #operator: Operator | undefined;
  #doorway: Doorway | undefined;
  #wanDoor: WanDoor | undefined;

  private constructor(run: RunDirectory, topology: LabTopology, reaper: Reaper, line: ProgressLine) {
    this.run = run;
    this.topology = topology;
    this.#reaper = reaper;
    this.#line = line;
    const [controller] = topology.clouds;
    if (controller === undefined) throw new TypeError('the topology has no cloud');
    const standbys = topology.clouds.filter(({ standsBy }) => standsBy);
    this.clouds = topology.clouds.map((plan) => {
      const namespace = namespaceName(run.runId, plan.cloud);
      const directories = { run: `${run.path}/${plan.cloud}`, state: `${run.dataPath}/${plan.cloud}` };
      const onTrouble = (message: string): void => {
        this.troubles.push(message);
      };
      const wireguard = wireGuardDevice(run.runId, plan.cloud);
      return new Cloud({ plan, controller, standbys, namespace, wireguard, directories, onTrouble });
    });
  }

  /** Starts everything up to a cluster whose nodes are up; no VM yet. On failure nothing is left. */
  static async start(line: ProgressLine, topology = THREE_CLOUDS): Promise<Lab> {
    const run = new RunDirectory();
    const lab = new Lab(run, topology, await startReaper(run.runId), line);
    try {
      await line.during(`${inWords(topology.clouds.length)} clouds and a WAN between them`, () => lab.#buildGround());
      await line.during(`a cluster: controller, ${inWords(topology.clouds.length - 1)} nodes join by token`, () =>
        lab.#formCluster(),
      );
      await line.during('every node is up', () => lab.#nodesUp());
      await lab.#openWayOut();
      return lab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  get wan(): Wan {
    if (this.#wan === undefined) throw new TypeError('the WAN has not been started');
    return this.#wan;
  }

  get operator(): Operator {
    if (this.#operator === undefined) throw new TypeError('the controller has not been started');
    return this.#operator;
  }

  /** The status page's address on this machine. */
  get statusPage(): string {
    return this.#doorway?.url ?? '';
  }

  get visitorNamespace(): string {
    return namespaceName(this.run.runId, 'visitor');
  }

  /** Where guests are seen from the Internet; undefined on a map that has none. */
  get outside(): OutsidePlace | undefined {
    const { internet, clouds } = this.topology;
    const address = clouds.find((plan) => plan.outside !== undefined)?.outside?.address;
    if (internet === undefined || address === undefined) return undefined;
    return { namespace: namespaceName(this.run.runId, INTERNET), host: internet.host, address };
  }

  cloud(name: string): Cloud {
    const found = this.clouds.find(({ plan }) => plan.cloud === name);
    if (found === undefined) throw new TypeError(`the lab has no cloud ${name}`);
    return found;
  }

  /** The name of the WAN's port behind which a cloud is. */
  wanPort(cloud: string): string {
    return wanPortOf(this.cloud(cloud).plan);
  }

  async #buildGround(): Promise<void> {
    const { runId } = this.run;
    this.run.addNamespaces([...groundNamespaces(runId, this.topology), this.visitorNamespace]);
    await createNamespaces([this.visitorNamespace]);
    this.#wan = await layGround(runId, this.topology);
    await Promise.all(this.clouds.map((cloud) => cloud.startSwitch()));
  }

  async #formCluster(): Promise<void> {
    const [first, ...others] = this.clouds;
    if (first === undefined) throw new TypeError('the topology has no cloud');
    await first.initialise();
    await first.startController();
    await this.#connectOperator(first);
    await Promise.all([
      first.startNode(),
      ...others.map(async (cloud) => {
        const { token } = await this.operator.call('token.create', { ttlSeconds: 600 });
        await cloud.join(token);
        await cloud.startNode();
      }),
    ]);
    await this.#addVisitor();
  }

  async #addVisitor(): Promise<void> {
    const { visitor } = this.topology;
    const home = this.cloud(visitor.cloud);
    await addVethPort(
      home.openVswitch,
      { namespace: home.namespace, port: visitor.port },
      {
        ...{ namespace: this.visitorNamespace, device: visitor.device, mac: visitor.mac },
        ...{ address: `${visitor.address}/${PREFIX}`, mtuBytes: GUEST_MTU_BYTES },
      },
    );
    const { port, mac, address: ip } = visitor;
    await this.operator.call('binding.set', { owner: 'visitor', node: home.plan.node, port, mac, ip });
  }

  async #connectOperator(controller: Cloud): Promise<void> {
    const socket = `${controller.directories.run}/orchestrator.sock`;
    const identity = `${controller.directories.state}/operator`;
    const { node } = controller.plan;
    this.#operator = rpcClient(orchestratorContract, { node, path: socket }, await loadIdentity(identity));
    const context = `${this.run.path}/context.json`;
    const wan = `${this.run.path}/wan.sock`;
    this.#wanDoor = await openWanDoor(wan, this.wan);
    writeFileSync(context, JSON.stringify({ node, socket, identity, wan }), { mode: 0o600 });
    // Replaced in one step: two labs may start at once, and the newest is the current one.
    const link = `${this.run.path}/current`;
    symlinkSync(context, link);
    renameSync(link, CURRENT_CONTEXT);
    this.#doorway = await openDoorway(`${controller.directories.run}/status.sock`);
  }

  async #nodesUp(): Promise<void> {
    const signal = AbortSignal.timeout(NODES_UP_TIMEOUT_MS);
    await new Promise<void>((resolve, reject) => {
      const enough = new AbortController();
      const watched = this.operator.call(
        'status.watch',
        {},
        {
          signal: AbortSignal.any([signal, enough.signal]),
          onProgress: ({ nodes }) => {
            const up = nodes.filter((node) => node.up).length;
            this.#line.update({ detail: `${up} of ${this.clouds.length}` });
            if (up < this.clouds.length) return;
            resolve();
            enough.abort();
          },
        },
      );
      watched.then(() => reject(new Error('the status ended')), reject);
    });
  }

  /** Guests go out at the node that leads there, and two ports of its address lead in to the guest. */
  async #openWayOut(): Promise<void> {
    const plan = this.topology.clouds.find(({ outside }) => outside !== undefined);
    if (plan === undefined) return;
    const forwards = [GUEST_PORTS.http, GUEST_PORTS.echo].map((port) => {
      return { protocol: 'tcp' as const, port, to: GUEST.address, toPort: port };
    });
    await this.operator.call('egress.set', { at: plan.node, forwards });
  }

  /** Takes everything down again; nothing of the run is left. */
  async stop(): Promise<void> {
    this.#operator?.close();
    await this.#doorway?.close();
    await this.#wanDoor?.close();
    await this.#wan?.stop();
    for (const cloud of this.clouds) cloud.expectEnd();
    await this.run.remove();
    await this.#reaper.dismiss();
  }
}

function inWords(count: number): string {
  return ['no', 'one', 'two', 'three', 'four'][count] ?? String(count);
}
