// The guests' network as it is configured: its name, which is its VMs' zone (NAME.internal), its subnets, and which of
// their addresses are no guest's.
import { Type } from '#typebox';
import { addressCount, isInRange } from '../../common/addresses/ipv4-subnet.ts';
import { UNROUTED } from '../../common/addresses/unrouted.ts';
import { OperationError } from '../../common/errors.ts';
import type { EgressOrder } from '../../wire/contracts/egress.ts';
import type { GuestNetworkPlan, GuestSubnet } from '../../wire/contracts/guest-network.ts';
import { Name } from '../../wire/names.ts';

/** The one tenant that there is so far. */
const TENANT = 1;
const BYTE = 256;
const BITS_MIN = 8;
/** A network of eight addresses has five for guests. */
const BITS_MAX = 29;

export const GuestNetworkConfig = Type.Object({
  name: Name,
  /** As `10.88.0.0/24`. */
  subnet: Type.String(),
  /** More of them, between which guests are routed. */
  moreSubnets: Type.Optional(Type.Array(Type.String())),
});
export type GuestNetworkConfig = Type.Static<typeof GuestNetworkConfig>;

const DEFAULT: GuestNetworkConfig = { name: 'main', subnet: '10.88.0.0/24' };

/** @throws OperationError NETWORK_BAD */
export function guestNetwork({ name, subnet, moreSubnets = [] }: GuestNetworkConfig = DEFAULT): GuestNetworkPlan {
  const subnets = [subnet, ...moreSubnets].map(subnetOf);
  const inOrder = subnets.toSorted((a, b) => lowestOf(a) - lowestOf(b));
  const shared = inOrder.find((one, index) => index > 0 && isIn(inOrder[index - 1], lowestOf(one)));
  if (shared !== undefined) {
    throw new OperationError('NETWORK_BAD', `${shared.subnet}/${shared.bits} has addresses of another subnet`, {
      remedy: 'give subnets of which no two share an address',
    });
  }
  return { tenant: TENANT, name, subnets };
}

/** @throws OperationError NETWORK_BAD; ADDRESS_OUTSIDE, ADDRESS_RESERVED: a port leads to what is no guest's address */
export function checkEgress(network: GuestNetworkPlan, { address, forwards }: Omit<EgressOrder, 'node'>): void {
  const { subnets } = network;
  for (const { to } of forwards) checkInNetwork(network, to);
  const outside = addressNumber(address);
  if (outside === undefined || subnets.some((one) => isIn(one, outside))) {
    throw new OperationError('NETWORK_BAD', `${address} is no address by which guests are seen outside`, {
      remedy: "give an address of the outside that is nobody else's there",
    });
  }
  const taken = new Set(forwards.map(({ protocol, port }) => `${protocol} ${port}`));
  if (taken.size < forwards.length) {
    throw new OperationError('NETWORK_BAD', `${address} has a port that leads to two guests`, {
      remedy: 'give each protocol and port once',
    });
  }
}

/** Where a stub leads to. @throws OperationError RESOURCE_BAD */
export function checkResource({ subnets }: GuestNetworkPlan, to: string): void {
  const address = addressNumber(to);
  if (address !== undefined && ![...UNROUTED, ...subnets].some((one) => isIn(one, address))) return;
  throw new OperationError('RESOURCE_BAD', `${to} is no address of a resource outside of the guests' network`, {
    remedy:
      "give the one by which the place's nodes reach it: none of the guests' network, and none at which a provider answers its machines",
  });
}

/** The first address is kept for the services (DHCP, DNS) and the router. @throws OperationError NETWORK_BAD */
function subnetOf(subnet: string): GuestSubnet {
  const [text = '', prefix = ''] = subnet.split('/');
  const address = addressNumber(text);
  const bits = /^\d{1,2}$/.test(prefix) ? Number(prefix) : Number.NaN;
  const isWhole = address !== undefined && bits >= BITS_MIN && bits <= BITS_MAX && address % addressCount(bits) === 0;
  if (!isWhole) {
    throw new OperationError('NETWORK_BAD', `${subnet} is no subnet of guests`, {
      remedy: `give its lowest address and ${BITS_MIN} to ${BITS_MAX} bits, as 10.88.0.0/24`,
    });
  }
  return { subnet: text, bits, services: addressText(address + 1) };
}

/** The subnet that an address is in; undefined: none of the network's. */
export function subnetAround({ subnets }: Pick<GuestNetworkPlan, 'subnets'>, ip: string): GuestSubnet | undefined {
  const address = addressNumber(ip) ?? -1;
  return subnets.find((one) => isIn(one, address));
}

/** @throws OperationError ADDRESS_OUTSIDE, ADDRESS_RESERVED */
export function checkInNetwork(network: GuestNetworkPlan, ip: string): void {
  const own = subnetAround(network, ip);
  if (own === undefined) throw outside(network.subnets, ip);
  const { subnet, bits, services } = own;
  const place = (addressNumber(ip) ?? 0) - lowestOf(own);
  const isEdge = place === 0 || place === addressCount(bits) - 1;
  if (!isEdge && ip !== services) return;
  throw new OperationError('ADDRESS_RESERVED', `${ip} is ${isEdge ? 'no address of one host' : "the services' own"}`, {
    remedy: `choose another address of ${subnet}/${bits}`,
  });
}

function outside(subnets: readonly GuestSubnet[], ip: string): OperationError {
  const all = subnets.map(({ subnet, bits }) => `${subnet}/${bits}`).join(', ');
  const [first] = subnets;
  const remedy =
    first === undefined
      ? 'give the network a subnet'
      : `choose an address of it, as ${addressText(lowestOf(first) + addressCount(first.bits) / 2)}`;
  return new OperationError('ADDRESS_OUTSIDE', `${ip} is not in the guests' network ${all}`, { remedy });
}

function lowestOf({ subnet }: Pick<GuestSubnet, 'subnet'>): number {
  return addressNumber(subnet) ?? 0;
}

function isIn(subnet: Pick<GuestSubnet, 'subnet' | 'bits'> | undefined, address: number): boolean {
  return subnet !== undefined && isInRange({ lowest: lowestOf(subnet), bits: subnet.bits }, address);
}

/** Undefined of what is none. */
function addressNumber(text: string): number | undefined {
  const parts = text.split('.').map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : BYTE));
  if (parts.length !== 4 || parts.some((part) => part >= BYTE)) return undefined;
  return parts.reduce((sum, part) => sum * BYTE + part, 0);
}

function addressText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % BYTE).join('.');
}
