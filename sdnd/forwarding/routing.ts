// The router of a tenant's network, at the first switch that a guest's frame meets: from then on it is a frame to the guest
// that it is for, in whatever subnet that is (RFC 1812, 5.2.1; RFC 8200, 3). It keeps its sender's MAC address, by which the
// other switches know whether it may come from where it comes (SOUNDNESS C11); who gets it answers to the router all the same,
// for hosts learn no MAC address from IP frames.
import { type Action, ethAddress, ipv4, type Match, setField } from '@openflow/ofp';
import type { Flow } from '../flow.ts';
import { EtherType } from '../packets/ethernet.ts';
import { UNIQUE_LOCAL } from '../packets/ipv6.ts';
import { Origin, Priority, SERVICE_MAC, Table } from '../pipeline.ts';
import { ETH_TYPE_IPV4 } from './admission.ts';
import { actAndGo, row } from './flow-row.ts';
import type { Guest, HeldTenant } from './guest.ts';
import { routedIpv6 } from './ipv6-addresses.ts';

/** What of a tenant's frames to its router goes on to this guest. */
export function routeFlows({ network, isHere }: HeldTenant, guest: Guest): Flow[] {
  return network !== undefined && isHere ? routesTo(guest) : [];
}

function routesTo(guest: Guest): Flow[] {
  const { binding, tenant, network } = guest;
  const own = { ...toRouter(tenant), ipv4Dst: ipv4(binding.ip) };
  const ipv6Dst = routedIpv6(network, binding);
  return [routeFlow(guest, own), ...(ipv6Dst === undefined ? [] : [routeFlow(guest, toIpv6Router(tenant, ipv6Dst))])];
}

// A packet whose time to live ends here goes no further; the guest is told so by its node's services.
function routeFlow({ binding, cookie }: Guest, match: Match): Flow {
  // From outside or from a guest here: in the overlay it begins at this switch.
  const onward: Action[] = [{ type: 'dec-nw-ttl' }, setField('reg0', Origin.guest)];
  const on = actAndGo(Table.forward, ...onward, setField('ethDst', ethAddress(binding.mac)));
  return row(cookie, Table.route, Priority.own, match, on);
}

/** What a tenant's guest gives its router. */
export function toRouter(tenant: number): Match {
  return { reg2: tenant, ethDst: SERVICE_MAC, ethType: ETH_TYPE_IPV4 };
}

/** What comes from a link-local address no router sends on (RFC 4291, 2.5.6). */
function toIpv6Router(tenant: number, ipv6Dst: bigint): Match {
  return { ...toRouter(tenant), ethType: EtherType.ipv6, ipv6Src: UNIQUE_LOCAL, ipv6Dst };
}
