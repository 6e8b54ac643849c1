// The member nodes: who registered, who gave a sign of life, and the connections to their daemons. A member is only
// ever called down here, never removed: what runs on it goes on (SOUNDNESS E3).
import type { Clock } from '../common/clock.ts';
import { messageOf, OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { Identity } from '../common/membership/identity.ts';
import { rpcClient } from '../common/rpc/client.ts';
import { blockdContract } from '../wire/contracts/blockd.ts';
import { catalogueContract } from '../wire/contracts/catalogue.ts';
import type { NodeState } from '../wire/contracts/cluster-state.ts';
import type { NodeOutside } from '../wire/contracts/guest-network.ts';
import { type Capabilities, hypervisorContract } from '../wire/contracts/hypervisor.ts';
import { type NodeUnderlay, switchAgentContract } from '../wire/contracts/sdnd.ts';
import type { Endpoint } from '../wire/names.ts';
import { BLOCKD_PORT, CATALOGUE_PORT, HYPERVISOR_PORT, SWITCH_AGENT_PORT } from '../wire/ports.ts';
import type { Cluster, ControllerDaemons, NodeDaemons } from './cluster.ts';
import type { MemberRecord, State } from './state.ts';

/** A daemon that was killed or is being replaced listens again within this; calls to it wait so long, unsent. */
export const PATIENT = { patienceMs: 5_000 };
/** Agents register every 5 s; two lost signs and a slow link later a node is called down. */
const SIGN_OF_LIFE_LIMIT_MS = 13_000;

interface Connection {
  warm(): Promise<void>;
  close(): void;
}

/** The daemons of one node, by connections that can be ended. */
type NodeClients = { readonly [D in keyof NodeDaemons]: NodeDaemons[D] & Connection };
type ControllerClients = { readonly [D in keyof ControllerDaemons]: ControllerDaemons[D] & Pick<Connection, 'close'> };

/** What a node says of itself. */
interface Report {
  readonly cloud: string;
  readonly address: string;
  readonly underlay?: NodeUnderlay;
  readonly outside?: NodeOutside;
  readonly capabilities: Capabilities;
}

interface Presence {
  lastSignMs: number;
}

export class Members implements Cluster {
  readonly #state: State;
  readonly #identity: Identity;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #presence = new Map<string, Presence>();
  readonly #clients = new Map<string, NodeClients>();
  /** Nodes whose daemons are being told the members. */
  readonly #telling = new Set<string>();
  /** Catalogue and overlay controller on this node. */
  readonly controller: ControllerClients;

  constructor(options: {
    state: State;
    identity: Identity;
    address: string;
    /** The overlay's controller, whichever it is. */
    sdnd: ControllerClients['sdnd'];
    clock: Clock;
    log: Log;
  }) {
    this.#state = options.state;
    this.#identity = options.identity;
    this.#clock = options.clock;
    this.#log = options.log;
    const here = { node: options.identity.node, address: options.address };
    this.controller = {
      catalogue: rpcClient(catalogueContract, { ...here, port: CATALOGUE_PORT }, options.identity, PATIENT),
      sdnd: options.sdnd,
    };
  }

  /**
   * A node's agent says that it is there. Its block daemon and the switches learn who the members are.
   * @throws OperationError ADDRESS_TAKEN
   */
  async register(node: string, report: Report): Promise<void> {
    this.#refuseTaken(node, report.address);
    const before = this.#state.get('members', node);
    const role = node === this.#identity.node ? 'controller' : 'node';
    const record: MemberRecord = { node, role, ...report };
    this.heard(node);
    if (JSON.stringify(before) !== JSON.stringify(record)) {
      if (before !== undefined && before.address !== record.address) this.#forgetClients(node);
      await this.#state.put('members', node, record);
    }
    // A daemon that hangs must not hold back the agent's next sign of life.
    void this.#tellMembers(node);
    void this.#warm(node);
  }

  /** One that is down may have been set up anew under another name. */
  #refuseTaken(node: string, address: string): void {
    const owner = this.#state.all('members').find((one) => one.node !== node && one.address === address);
    if (owner === undefined || !this.isUp(owner.node)) return;
    throw new OperationError('ADDRESS_TAKEN', `node ${node} cannot be at ${address}: node ${owner.node} is`, {
      remedy: 'give each node an address of its own in the configuration of its hypervisor agent',
    });
  }

  /** Its agent answered, or said something by itself. */
  heard(node: string): void {
    const wasUp = this.isUp(node);
    this.#presence.set(node, { lastSignMs: this.#clock.nowMs() });
    if (!wasUp) this.#state.changed();
  }

  /** Repeated with every sign of life, so that a daemon that restarted knows the members again within seconds. */
  async #tellMembers(node: string): Promise<void> {
    if (this.#telling.has(node)) return;
    this.#telling.add(node);
    const all = this.#state.all('members');
    const withClouds = all.map(({ node, address, cloud }) => ({ node, address, cloud }));
    const told = await Promise.allSettled([
      this.clients(node).blockd.call('members.set', { members: withClouds }),
      this.tellOverlay(this.controller.sdnd),
    ]);
    for (const outcome of told) {
      if (outcome.status === 'rejected') this.#log.warn({ node, err: outcome.reason }, 'members not told');
    }
    this.#telling.delete(node);
  }

  /** Tells a controller of the overlay who the members are. */
  async tellOverlay(sdnd: ControllerDaemons['sdnd']): Promise<void> {
    const members = this.#state.all('members').map(({ node, address, underlay }) => ({ node, address, ...underlay }));
    await sdnd.call('members.set', { members });
  }

  /** Nobody calls the switch agent between two migrations: a connection made only then would be part of their time. */
  async #warm(node: string): Promise<void> {
    try {
      await this.clients(node).switchAgent.warm();
    } catch (error) {
      this.#log.info({ node, reason: messageOf(error) }, 'its switch agent is not connected');
    }
  }

  #forgetClients(node: string): void {
    const clients = this.#clients.get(node);
    if (clients === undefined) return;
    this.#clients.delete(node);
    for (const client of Object.values(clients)) client.close();
  }

  endpoints(): Endpoint[] {
    return this.#state.all('members').map(({ node, address }) => ({ node, address }));
  }

  /** Where a member listens; an unknown name is the caller's error. */
  endpoint(node: string): Endpoint {
    const member = this.#state.get('members', node);
    if (member === undefined) throw new OperationError('NODE_UNKNOWN', `there is no node ${node}`);
    return { node, address: member.address };
  }

  isUp(node: string): boolean {
    const presence = this.#presence.get(node);
    return presence !== undefined && this.#clock.nowMs() - presence.lastSignMs < SIGN_OF_LIFE_LIMIT_MS;
  }

  /** The node that stands for a cloud: by the cloud's name, or by its own. */
  nodeOf(cloud: string): MemberRecord {
    const members = this.#state.all('members');
    const found = members.find((member) => member.cloud === cloud) ?? members.find((member) => member.node === cloud);
    if (found !== undefined) return found;
    const known = members.map((member) => member.cloud).sort();
    throw new OperationError('CLOUD_UNKNOWN', `there is no cloud ${cloud}`, {
      remedy: known.length > 0 ? `the clouds are ${known.join(', ')}` : 'no node has joined yet',
    });
  }

  /** The same, and it must have given a sign of life lately. */
  upNodeOf(cloud: string): MemberRecord {
    const member = this.nodeOf(cloud);
    if (this.isUp(member.node)) return member;
    throw new OperationError('NODE_DOWN', `node ${member.node} of cloud ${member.cloud} gave no sign of life lately`, {
      remedy: `look at it with 'supercloud node list', start its daemons, then try again`,
    });
  }

  clients(node: string): NodeClients {
    const known = this.#clients.get(node);
    if (known !== undefined) return known;
    const at = this.endpoint(node);
    const clients: NodeClients = {
      blockd: rpcClient(blockdContract, { ...at, port: BLOCKD_PORT }, this.#identity, PATIENT),
      hypervisor: rpcClient(hypervisorContract, { ...at, port: HYPERVISOR_PORT }, this.#identity, PATIENT),
      switchAgent: rpcClient(switchAgentContract, { ...at, port: SWITCH_AGENT_PORT }, this.#identity, PATIENT),
    };
    this.#clients.set(node, clients);
    return clients;
  }

  states(): NodeState[] {
    return this.#state.all('members').map((member) => {
      const up = this.isUp(member.node);
      return { ...member, up, reason: up ? '' : 'no sign of life from its hypervisor agent lately' };
    });
  }

  close(): void {
    for (const node of [...this.#clients.keys()]) this.#forgetClients(node);
    this.controller.catalogue.close();
    this.controller.sdnd.close();
  }
}
