// The router of a tenant's network, at the first switch that a guest's frame meets: from then on it is a frame to the guest
// that it is for, in whatever subnet that is (RFC 1812, 5.2.1). It keeps its sender's MAC address, by which the other
// switches know whether it may come from where it comes (SOUNDNESS C11); who gets it answers to the router all the same,
// for hosts learn no MAC address from IP frames.
import { type Action, ethAddress, ipv4, type Match, setField } from '@openflow/ofp';
import type { Flow } from '../flow.ts';
import { Origin, Priority, SERVICE_MAC, Table } from '../pipeline.ts';
import { ETH_TYPE_IPV4 } from './admission.ts';
import { actAndGo, row } from './flow-row.ts';
import type { Guest, HeldTenant } from './guest.ts';

/** What of a tenant's frames to its router goes on, and to whom. */
export function routeFlows({ guests, network, isHere }: HeldTenant): Flow[] {
  return network !== undefined && isHere ? guests.map(routeFlow) : [];
}

// A packet whose time to live ends here goes no further; the guest is told so by its node's services.
function routeFlow({ binding, tenant, cookie }: Guest): Flow {
  const match: Match = { ...toRouter(tenant), ipv4Dst: ipv4(binding.ip) };
  // From outside or from a guest here: in the overlay it begins at this switch.
  const onward: Action[] = [{ type: 'dec-nw-ttl' }, setField('reg0', Origin.guest)];
  const on = actAndGo(Table.forward, ...onward, setField('ethDst', ethAddress(binding.mac)));
  return row(cookie, Table.route, Priority.own, match, on);
}

/** What a tenant's guest gives its router. */
export function toRouter(tenant: number): Match {
  return { reg2: tenant, ethDst: SERVICE_MAC, ethType: ETH_TYPE_IPV4 };
}
