// Addresses of the guests' network that stand for a resource in one place: what was ordered is kept; from which nodes the
// resource is reached, and how frames leave there, is the nodes' to say, at every registration anew. Moves nobody.
import { isDeepStrictEqual } from 'node:util';
import { OperationError } from '../../common/errors.ts';
import {
  type GuestNetworkPlan,
  type NetworkExit,
  type NetworkStub,
  STUBS_MAX,
  type StubTarget,
} from '../../wire/contracts/guest-network.ts';
import type { StubOrder, StubView } from '../../wire/contracts/network-stubs.ts';
import type { Admission } from '../admission.ts';
import type { Cluster } from '../cluster.ts';
import type { MemberRecord, State } from '../state.ts';
import { egressOf } from './egress.ts';
import { checkResource } from './guest-network.ts';
import { tellKept } from './kept-change.ts';
import type { Network } from './network.ts';

export interface NetworkStubsParts {
  readonly state: State;
  readonly cluster: Pick<Cluster, 'nodeOf'>;
  readonly admission: Pick<Admission, 'inTurn' | 'checkName' | 'checkStub'>;
  readonly network: Pick<Network, 'tellNetwork'>;
  readonly plan: GuestNetworkPlan;
}

export class NetworkStubs {
  readonly #parts: NetworkStubsParts;

  constructor(parts: NetworkStubsParts) {
    this.#parts = parts;
  }

  /** By name. */
  list(): StubView[] {
    return ordersOf(this.#parts.state).map((order) => this.#view(order));
  }

  /**
   * The same again is nothing.
   * @throws OperationError STUB_EXISTS, VM_EXISTS, STUBS_FULL, CLOUD_UNKNOWN, NO_WAY_OUT, ADDRESS_TAKEN, ADDRESS_OUTSIDE, ADDRESS_RESERVED, RESOURCE_BAD, OVERLAY_UNTOLD
   */
  async create(order: StubOrder): Promise<StubView> {
    const { state, admission, network } = this.#parts;
    await admission.inTurn(async () => {
      const known = state.get('stubs', order.name);
      if (known !== undefined && isDeepStrictEqual(known, order)) return;
      this.#check(order);
      await state.put('stubs', order.name, order);
    });
    await tellKept(`stub ${order.name} is kept`, () => network.tellNetwork());
    return this.#view(order);
  }

  /** Its address leads nowhere any more. @throws OperationError STUB_UNKNOWN, OVERLAY_UNTOLD */
  async delete(name: string): Promise<void> {
    const { state, admission, network } = this.#parts;
    await admission.inTurn(() => {
      if (state.get('stubs', name) === undefined) throw this.#unknown(name);
      return state.remove('stubs', name);
    });
    await tellKept(`stub ${name} is deleted`, () => network.tellNetwork());
  }

  #view(order: StubOrder): StubView {
    const { state } = this.#parts;
    const [all, nodes] = [membersOf(state, order.place), stubNodes(state, order)];
    const others = all.map(({ node }) => node).filter((node) => !nodes.includes(node));
    const trouble =
      nodes.length === 0
        ? `no node of ${order.place} says that it leads outside`
        : others.length === 0
          ? ''
          : `not from ${others.join(', ')}, which does not lead outside`;
    return { ...order, nodes, trouble };
  }

  #check(order: StubOrder): void {
    const { state, cluster, admission, plan } = this.#parts;
    const { name, address, place, to } = order;
    const orders = ordersOf(state);
    if (orders.some((other) => other.name === name)) {
      throw new OperationError('STUB_EXISTS', `there is a stub ${name} already, of another order`, {
        remedy: `choose another name, or take it away first: supercloud net stub delete ${name}`,
      });
    }
    admission.checkName(name);
    if (orders.length >= STUBS_MAX) {
      throw new OperationError('STUBS_FULL', `there cannot be more than ${STUBS_MAX} stubs`, {
        remedy: 'delete one that is not needed: supercloud net stub list',
      });
    }
    cluster.nodeOf(place);
    if (stubNodes(state, order).length === 0) throw this.#noWayOut(place);
    admission.checkStub(address);
    const other = orders.find((one) => overlap(one, order));
    if (other !== undefined) {
      throw new OperationError(
        'ADDRESS_TAKEN',
        `address ${address} stands for stub ${other.name} already, by that port`,
        {
          remedy: 'choose another address, or another port of it',
        },
      );
    }
    checkResource(plan, to);
  }

  #noWayOut(place: string): OperationError {
    const able = this.#parts.state.all('members').filter(({ outside }) => outside !== undefined);
    const remedy =
      able.length === 0
        ? "say 'outside' in the configuration of its hypervisor agent and of its switch agent"
        : `choose a place that does: ${able.map(({ node }) => node).join(', ')}`;
    return new OperationError('NO_WAY_OUT', `no node of ${place} leads outside, where the resource is`, { remedy });
  }

  #unknown(name: string): OperationError {
    const known = ordersOf(this.#parts.state).map((order) => order.name);
    return new OperationError('STUB_UNKNOWN', `there is no stub ${name}`, {
      remedy: known.length === 0 ? 'there are none' : `the stubs are ${known.join(', ')}`,
    });
  }
}

type Records = Pick<State, 'all' | 'get'>;

function ordersOf(state: Pick<State, 'all'>): StubOrder[] {
  return state.all('stubs').sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The nodes of a cloud, or the one node. */
function membersOf(state: Pick<State, 'all'>, place: string): MemberRecord[] {
  const members = state.all('members').sort((a, b) => (a.node < b.node ? -1 : 1));
  const inCloud = members.filter(({ cloud }) => cloud === place);
  return inCloud.length > 0 ? inCloud : members.filter(({ node }) => node === place);
}

/** The nodes from which a stub's resource is reached. */
export function stubNodes(state: Pick<State, 'all'>, { place }: StubOrder): string[] {
  return membersOf(state, place).flatMap(({ node, outside }) => (outside === undefined ? [] : [node]));
}

/** What the overlay's controller is to know of a network's stubs; nothing while there are none. */
export function stubsOf(
  state: Records,
  plan: GuestNetworkPlan,
): { readonly stubs?: NetworkStub[]; readonly stubExits?: NetworkExit[] } {
  const stubs = ordersOf(state).map((order): NetworkStub => {
    const { name, address, service, to } = order;
    return { name, address, ...(service !== undefined && { service }), to, nodes: stubNodes(state, order) };
  });
  if (stubs.length === 0) return {};
  const nodes = new Set(stubs.flatMap((stub) => stub.nodes));
  const { egress } = egressOf(state, plan);
  const stubExits = [...nodes].sort().flatMap((node) => {
    const outside = state.get('members', node)?.outside;
    const address = egress?.node === node ? egress.address : outside?.addresses[0];
    if (outside === undefined || address === undefined) return [];
    return [{ node, port: outside.device, address, nextHop: outside.nextHop }];
  });
  return { stubs, stubExits };
}

/** Whether something that is sent to the one might be for the other. */
function overlap(one: StubTarget, other: StubTarget): boolean {
  if (one.address !== other.address) return false;
  if (one.service === undefined || other.service === undefined) return true;
  return one.service.protocol === other.service.protocol && one.service.port === other.service.port;
}
