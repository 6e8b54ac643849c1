// A real catalogue daemon beside real block daemons, and the orchestrator's rooms that keep them known to each other. Its
// directory can be lost, damaged and restored. Not a test itself.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { realClock } from '../../common/clock.ts';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import { type Identity, saveIdentity } from '../../common/membership/identity.ts';
import { type RpcClient, rpcClient } from '../../common/rpc/client.ts';
import type { Cluster, ControllerDaemons, NodeDaemons } from '../../orchestrator/cluster.ts';
import { CatalogueRebuild } from '../../orchestrator/images/catalogue-rebuild.ts';
import { CatalogueWatch } from '../../orchestrator/images/catalogue-watch.ts';
import { StoreWatch } from '../../orchestrator/images/store-watch.ts';
import { type MemberRecord, State } from '../../orchestrator/state.ts';
import { WatchedCluster } from '../../orchestrator/watched-cluster.ts';
import { catalogueContract } from '../../wire/contracts/catalogue.ts';
import type { Endpoint } from '../../wire/names.ts';
import { CATALOGUE_PORT } from '../../wire/ports.ts';
import { quiet } from '../unit/common/members.ts';
import { memberRecord } from '../unit/orchestrator/records.ts';
import { BlockdNode } from './blockd-node.ts';

const MAIN = fileURLToPath(new URL('../../blockd/catalogue-main.ts', import.meta.url));
const NAMES = ['a', 'b', 'c'] as const;
const nobody = { call: () => Promise.reject(new Error('there is no such daemon here')) };

/** The stores as the orchestrator sees its members. */
class Stores implements Cluster {
  readonly controller: ControllerDaemons;
  readonly #nodes: readonly BlockdNode[];

  constructor(nodes: readonly BlockdNode[], catalogue: ControllerDaemons['catalogue']) {
    this.#nodes = nodes;
    this.controller = { catalogue, sdnd: nobody };
  }

  clients(name: string): NodeDaemons {
    const node = this.#nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return { blockd: node.controller, hypervisor: nobody, switchAgent: nobody };
  }

  endpoints(): Endpoint[] {
    return this.#nodes.map(({ endpoint }) => endpoint);
  }

  endpoint(node: string): Endpoint {
    return this.endpoints().find((one) => one.node === node) ?? { node, address: '127.0.0.1' };
  }

  isUp(node: string): boolean {
    return this.#nodes.some((one) => one.name === node && one.isRunning);
  }

  nodeOf(node: string): MemberRecord {
    return memberRecord({ node, cloud: node, address: this.endpoint(node).address });
  }

  upNodeOf(node: string): MemberRecord {
    return this.nodeOf(node);
  }
}

export class CatalogueStand {
  readonly root: string;
  readonly nodes: readonly BlockdNode[];
  readonly client: RpcClient<typeof catalogueContract>;
  readonly watch: CatalogueWatch;
  readonly stores: StoreWatch;
  readonly cluster: Cluster;
  readonly rebuild: CatalogueRebuild;
  readonly state: State;
  #daemon: ChildProcess | undefined;
  #complaint = '';

  private constructor(root: string, controller: Identity, nodes: readonly BlockdNode[], address: string, state: State) {
    this.root = root;
    this.nodes = nodes;
    this.state = state;
    this.client = rpcClient(catalogueContract, { node: 'k', address, port: CATALOGUE_PORT }, controller);
    const stores = new Stores(nodes, this.client);
    this.watch = new CatalogueWatch({ cluster: stores, log: quiet });
    this.stores = new StoreWatch({ cluster: stores, log: quiet });
    this.cluster = new WatchedCluster(stores, this.watch, this.stores);
    this.rebuild = new CatalogueRebuild({
      state,
      cluster: this.cluster,
      watch: this.watch,
      clock: realClock,
      log: quiet,
    });
  }

  /** Everything started, on loopback addresses from 127.0.0.`first` on. */
  static async start(first: number): Promise<CatalogueStand> {
    const root = await mkdtemp(join(tmpdir(), 'catalogue-stand-'));
    const authority = await createAuthority();
    const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
    const nodes: BlockdNode[] = [];
    for (const [index, name] of NAMES.entries()) {
      nodes.push(await BlockdNode.make(authority, controller, root, name, `127.0.0.${first + 1 + index}`));
    }
    const address = `127.0.0.${first}`;
    const identity = join(root, 'k');
    await mkdir(identity);
    await saveIdentity(identity, controller);
    await writeFile(join(root, 'catalogue.json'), JSON.stringify({ state: join(root, 'state'), identity, address }));
    const stand = new CatalogueStand(root, controller, nodes, address, await State.open(join(root, 'orchestrator')));
    for (const node of nodes) await stand.startNode(node);
    await stand.startCatalogue();
    return stand;
  }

  node(name: (typeof NAMES)[number]): BlockdNode {
    const found = this.nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  async startNode(node: BlockdNode): Promise<void> {
    await node.start();
    await node.controller.call('members.set', { members: this.nodes.map(({ endpoint }) => endpoint) });
  }

  /** The catalogue's directory, whose loss this is all about. */
  get heads(): string {
    return join(this.root, 'state', 'heads');
  }

  /** Waits until the daemon is ready. @throws Error with what it said when it ends instead */
  async startCatalogue(): Promise<void> {
    const child = spawn(process.execPath, [MAIN, '--config', join(this.root, 'catalogue.json')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#daemon = child;
    this.#complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      this.#complaint += chunk.toString();
    });
    const ready = once(child.stdout, 'data').then(() => true);
    const ended = once(child, 'close').then(() => false);
    if (!(await Promise.race([ready, ended]))) throw new Error(this.#complaint);
  }

  async stopCatalogue(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#daemon;
    this.#daemon = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  /** The directory as it is now, to be put back later; the daemon does not run. */
  async backup(): Promise<() => Promise<void>> {
    const copy = join(this.root, 'backup');
    await rm(copy, { recursive: true, force: true });
    await cp(this.heads, copy, { recursive: true });
    return async () => {
      await rm(this.heads, { recursive: true });
      await cp(copy, this.heads, { recursive: true });
    };
  }

  async close(): Promise<void> {
    await this.stopCatalogue();
    for (const node of this.nodes) {
      await node.stop('SIGKILL');
      node.close();
    }
    this.client.close();
    await this.state.close();
    await rm(this.root, { recursive: true, force: true });
  }
}
