// The IPv6 addresses of a guest. Nobody gives them to it: they follow from its MAC address and from the subnet in which its
// IPv4 address is (RFC 4862), so that every switch and every node's agent knows them by the binding. Pure.
import { ethAddress, ipv4, ipv6 } from '@openflow/ofp';
import { isInRange } from '../../common/addresses/ipv4-subnet.ts';
import { selfMadeAddress } from '../../common/addresses/ipv6-address.ts';
import type { GuestNetworkPlan, GuestSubnet } from '../../wire/contracts/guest-network.ts';
import { linkLocalOf } from '../packets/ipv6.ts';

type Network = Pick<GuestNetworkPlan, 'subnets'>;

/** Of a binding, or of a guest as an agent is told of it. */
interface Addresses {
  readonly mac: string;
  readonly ip: string;
}

/** The subnet that an IPv4 address is in. */
export function subnetAt(network: Network | undefined, ip: string): GuestSubnet | undefined {
  const address = ipv4(ip);
  return network?.subnets.find(({ subnet, bits }) => isInRange({ lowest: ipv4(subnet), bits }, address));
}

/** The address that is routed; undefined where the guest's subnet has no IPv6. */
export function routedIpv6(network: Network | undefined, { mac, ip }: Addresses): bigint | undefined {
  if (network?.subnets.every((subnet) => subnet.ipv6 === undefined) !== false) return undefined;
  const prefix = subnetAt(network, ip)?.ipv6;
  return prefix === undefined ? undefined : selfMadeAddress(ipv6(prefix), mac);
}

/** All of them, the link-local one first. */
export function ipv6Of(network: Network | undefined, guest: Addresses): readonly bigint[] {
  const mac = ethAddress(guest.mac);
  const routed = routedIpv6(network, guest);
  return routed === undefined ? [linkLocalOf(mac)] : [linkLocalOf(mac), routed];
}

/** The router's own address in a subnet's prefix: the first, which no guest can have, since theirs have ff:fe in the middle. */
export function routerIpv6Of(prefix: string): bigint {
  return ipv6(prefix) | 1n;
}
