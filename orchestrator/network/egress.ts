// The way out of the guests' network: by which node, under which of its addresses, and what leads in. What was ordered is kept;
// how frames leave there is the node's to say, at every registration anew.
import { OperationError } from '../../common/errors.ts';
import type { EgressOrder, EgressView, ForwardOrder, OrderedForward } from '../../wire/contracts/egress.ts';
import type { Egress, Forward, GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import type { Admission } from '../admission.ts';
import type { Cluster } from '../cluster.ts';
import type { MemberRecord, State } from '../state.ts';
import { checkEgress } from './guest-network.ts';
import { tellKept } from './kept-change.ts';
import type { Network } from './network.ts';

const STARTS_AS_ADDRESS = /^\d/;

export interface EgressParts {
  readonly state: State;
  readonly cluster: Pick<Cluster, 'nodeOf'>;
  readonly admission: Pick<Admission, 'inTurn'>;
  readonly network: Pick<Network, 'tellNetwork'>;
  readonly plan: GuestNetworkPlan;
}

/** As it is asked for. */
interface Order {
  readonly at: string;
  readonly address?: string;
  readonly forwards?: readonly ForwardOrder[];
  readonly resolvers?: readonly string[];
}

export class EgressOrders {
  readonly #parts: EgressParts;

  constructor(parts: EgressParts) {
    this.#parts = parts;
  }

  show(): EgressView {
    const { state, plan } = this.#parts;
    const nodes = state
      .all('members')
      .flatMap(({ node, outside }) => (outside === undefined ? [] : [{ node, ...outside }]));
    return { egress: state.get('egress', plan.name) ?? null, trouble: egressOf(state, plan).trouble, nodes };
  }

  /** @throws OperationError CLOUD_UNKNOWN, NO_WAY_OUT, VM_UNKNOWN, NETWORK_BAD, ADDRESS_OUTSIDE, ADDRESS_RESERVED, OVERLAY_UNTOLD */
  async set({ at, address, forwards, resolvers }: Order): Promise<EgressView> {
    const { state, admission, network, plan } = this.#parts;
    await admission.inTurn(() => {
      const standing = state.get('egress', plan.name);
      const asked = resolvers ?? standing?.resolvers ?? [];
      const order = {
        ...this.#placeOf(at, address),
        forwards: forwards?.map((forward) => this.#resolve(forward)) ?? standing?.forwards ?? [],
        ...(asked.length === 0 ? {} : { resolvers: [...asked] }),
      };
      checkEgress(plan, order);
      return state.put('egress', plan.name, order);
    });
    await tellKept('the way out is kept', () => network.tellNetwork());
    return this.show();
  }

  /** @throws OperationError OVERLAY_UNTOLD */
  async remove(): Promise<EgressView> {
    const { state, admission, network, plan } = this.#parts;
    await admission.inTurn(() => state.remove('egress', plan.name));
    await tellKept('the way out is removed', () => network.tellNetwork());
    return this.show();
  }

  #placeOf(at: string, wanted: string | undefined): Pick<EgressOrder, 'node' | 'address'> {
    const { node, outside } = this.#parts.cluster.nodeOf(at);
    const address = outside?.addresses.find((one) => wanted === undefined || one === wanted);
    if (outside === undefined || address === undefined) throw this.#noWayOut(node, outside, wanted);
    return { node, address };
  }

  #noWayOut(node: string, outside: MemberRecord['outside'], wanted: string | undefined): OperationError {
    if (outside !== undefined) {
      return new OperationError('NO_WAY_OUT', `${wanted} does not lead to node ${node}`, {
        remedy: `say one of ${outside.addresses.join(', ')}, or none`,
      });
    }
    const others = this.show().nodes.map((one) => one.node);
    const remedy =
      others.length === 0
        ? "say 'outside' in the configuration of its hypervisor agent and of its switch agent"
        : `choose a node that may: ${others.join(', ')}`;
    return new OperationError('NO_WAY_OUT', `node ${node} does not lead outside`, { remedy });
  }

  #resolve({ to, ...port }: ForwardOrder): OrderedForward {
    if (STARTS_AS_ADDRESS.test(to)) return { ...port, to };
    const { state } = this.#parts;
    const ip = ipOf(state, to);
    if (ip === undefined) {
      const known = state.all('vms').map(({ vm }) => vm);
      const remedy = known.length === 0 ? 'say an address of the network' : `the VMs are ${known.join(', ')}`;
      throw new OperationError('VM_UNKNOWN', `there is no VM ${to}`, { remedy });
    }
    return { ...port, to: ip, vm: to };
  }
}

/** Undefined: nobody is called so, or not much longer. */
function ipOf(state: Pick<State, 'get'>, name: string): string | undefined {
  const vm = state.get('vms', name);
  if (vm === undefined) return state.get('addresses', name)?.ip;
  return vm.phase === 'deleting' ? undefined : vm.spec.ip;
}

/** Those that lead to somebody: who has the address of a VM next has not asked to be called. */
function inForce(state: Pick<State, 'get'>, forwards: readonly OrderedForward[]): Forward[] {
  return forwards.flatMap(({ vm, to, ...port }) => {
    const ip = vm === undefined ? to : ipOf(state, vm);
    return ip === undefined ? [] : [{ ...port, to: ip }];
  });
}

/** What the overlay's controller is to know of a network's way out; undefined while there is none, or none that works. With a sentence of what does not work. */
export function egressOf(
  state: Pick<State, 'get'>,
  { name }: GuestNetworkPlan,
): { readonly egress?: Egress; readonly trouble: string } {
  const order = state.get('egress', name);
  if (order === undefined) return { trouble: '' };
  const outside = state.get('members', order.node)?.outside;
  if (outside?.addresses.includes(order.address) !== true) {
    return { trouble: `node ${order.node} says no more that ${order.address} leads to it from outside` };
  }
  const lost = order.forwards.find(({ vm }) => vm !== undefined && ipOf(state, vm) === undefined);
  const trouble = lost === undefined ? '' : `there is no VM ${lost.vm}, to which ${lost.protocol} ${lost.port} leads`;
  const forwards = inForce(state, order.forwards);
  return { egress: { ...order, forwards, port: outside.device, nextHop: outside.nextHop }, trouble };
}
