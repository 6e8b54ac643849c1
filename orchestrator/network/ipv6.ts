// IPv6 of the guests' network: a prefix, kept as it was ordered, of which each subnet has its part by its place in the
// configuration, and each guest the address that follows from its MAC address (RFC 4862). Nothing of it is given to anybody.

import { ipv6Number, ipv6Words, selfMadeAddress } from '../../common/addresses/ipv6-address.ts';
import { OperationError } from '../../common/errors.ts';
import type { GuestNetworkPlan, Ipv6Addresses } from '../../wire/contracts/guest-network.ts';
import type { Ipv6Order, Ipv6View } from '../../wire/contracts/ipv6.ts';
import type { Admission } from '../admission.ts';
import type { State } from '../state.ts';
import { subnetAround } from './guest-network.ts';
import { tellKept } from './kept-change.ts';
import type { Network } from './network.ts';

const PREFIX_BITS = 48;
const ADDRESS_BITS = 128;
/** Below it are the subnet's number and the interface (RFC 4193, 3.1). */
const BELOW_PREFIX_BITS = BigInt(ADDRESS_BITS - PREFIX_BITS);
const INTERFACE_BITS = 64n;
/** The first eight bits of what anybody may draw a prefix from (RFC 4193, 3.1). */
const UNIQUE_LOCAL = 0xfdn;
const GLOBAL_ID_BITS = 40n;

export interface Ipv6Parts {
  readonly state: State;
  readonly admission: Pick<Admission, 'inTurn'>;
  readonly network: Pick<Network, 'tellNetwork'>;
  readonly plan: GuestNetworkPlan;
  /** 40 bits, drawn so that no two clusters have the same (RFC 4193, 3.2.2). */
  readonly drawGlobalId: () => bigint;
}

/** As it is asked for. */
interface Wish {
  readonly prefix?: string;
  readonly addresses?: Ipv6Addresses;
}

export class Ipv6Orders {
  readonly #parts: Ipv6Parts;

  constructor(parts: Ipv6Parts) {
    this.#parts = parts;
  }

  show(): Ipv6View {
    const { state } = this.#parts;
    const plan = withIpv6(state, this.#parts.plan);
    const { prefix = null, addresses: mode = 'self-made' } = state.get('ipv6', plan.name) ?? {};
    const subnets = plan.subnets.flatMap(({ subnet, bits, ipv6 }) => {
      if (ipv6 === undefined) return [];
      return [{ subnet: `${subnet}/${bits}`, prefix: `${ipv6}/${INTERFACE_BITS}`, router: `${ipv6}1` }];
    });
    const vms = state.all('vms').map(({ vm, spec }) => ({ owner: vm, ip: spec.ip, mac: spec.mac }));
    const addresses = [...vms, ...state.all('addresses')].flatMap(({ owner, ip, mac }) => {
      const ipv6 = ipv6Of(plan, { ip, mac });
      return ipv6 === undefined ? [] : [{ owner, ip, ipv6 }];
    });
    return { prefix, mode, subnets, addresses: addresses.sort((a, b) => (a.owner < b.owner ? -1 : 1)) };
  }

  /** Without a prefix the one that stands, or else one that is drawn. @throws OperationError NETWORK_BAD, OVERLAY_UNTOLD */
  async set({ prefix, addresses }: Wish): Promise<Ipv6View> {
    const { state, admission, network, plan } = this.#parts;
    const wanted = prefix === undefined ? undefined : canonical(prefix);
    await admission.inTurn(() => {
      const standing: Partial<Ipv6Order> = state.get('ipv6', plan.name) ?? {};
      const order = { ...standing, prefix: wanted ?? standing.prefix ?? this.#draw() };
      return state.put('ipv6', plan.name, addresses === undefined ? order : { ...order, addresses });
    });
    await tellKept('the prefix is kept', () => network.tellNetwork());
    return this.show();
  }

  async remove(): Promise<Ipv6View> {
    const { state, admission, network, plan } = this.#parts;
    await admission.inTurn(() => state.remove('ipv6', plan.name));
    await tellKept('the prefix is removed', () => network.tellNetwork());
    return this.show();
  }

  #draw(): string {
    const id = BigInt.asUintN(Number(GLOBAL_ID_BITS), this.#parts.drawGlobalId());
    return prefixText(((UNIQUE_LOCAL << GLOBAL_ID_BITS) | id) << BELOW_PREFIX_BITS);
  }
}

/** The network with what was ordered for it: of its subnets the first has the first part of the prefix, and so on. */
export function withIpv6(state: Pick<State, 'get'>, plan: GuestNetworkPlan): GuestNetworkPlan {
  const order = state.get('ipv6', plan.name);
  if (order === undefined) return plan;
  const lowest = lowestOf(order.prefix);
  const subnets = plan.subnets.map((subnet, index) => {
    return { ...subnet, ipv6: ipv6Words(lowest | (BigInt(index) << INTERFACE_BITS)) };
  });
  const { addresses } = order;
  return { ...plan, subnets, ...(addresses !== undefined && { ipv6Addresses: addresses }) };
}

/** The address that is routed of a guest; undefined where its network has none. */
function ipv6Of(plan: GuestNetworkPlan, { ip, mac }: { ip: string; mac: string }): string | undefined {
  const prefix = ipv6Number(subnetAround(plan, ip)?.ipv6 ?? '');
  return prefix === undefined ? undefined : ipv6Words(selfMadeAddress(prefix, mac));
}

function canonical(prefix: string): string {
  const [text = '', bits] = prefix.split('/');
  const lowest = ipv6Number(text);
  const isWhole = lowest !== undefined && BigInt.asUintN(Number(BELOW_PREFIX_BITS), lowest) === 0n;
  if (isWhole && bits === String(PREFIX_BITS) && lowest >> BigInt(ADDRESS_BITS - 8) === UNIQUE_LOCAL)
    return prefixText(lowest);
  throw new OperationError('NETWORK_BAD', `${prefix} is no prefix for guests`, {
    remedy: `give a unique local one of ${PREFIX_BITS} bits, as fd12:3456:789a::/${PREFIX_BITS}, or none to have it drawn`,
  });
}

function prefixText(lowest: bigint): string {
  return `${ipv6Words(lowest)}/${PREFIX_BITS}`;
}

function lowestOf(prefix: string): bigint {
  return ipv6Number(prefix.split('/')[0] ?? '') ?? 0n;
}
