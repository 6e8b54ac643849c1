// Who may send what: the table `ingress`. A frame goes on only with the source address of a binding, from its port or
// from its node (SOUNDNESS C11), or from where its receiver is moving from.
import { ethAddress, gotoTable, ipv4, type Match, setField } from '@openflow/ofp';
import { type Flow, flowKey } from '../flow.ts';
import { linkLocalOf } from '../packets/ipv6.ts';
import { LATE_FORWARD_SEC, Origin, Priority, Table, tenantTunnelIds } from '../pipeline.ts';
import { intoGroups } from '../security/policy-flows.ts';
import { actAndGo, row } from './flow-row.ts';
import { type Guest, type Place, placesOf } from './guest.ts';
import type { TunnelEnd, Ways } from './ways.ts';

export const ETH_TYPE_IPV4 = 0x0800;
export const ETH_TYPE_ARP = 0x0806;
const ETH_TYPE_IPV6 = 0x86dd;
export const ARP_REQUEST = 1;
const UNSPECIFIED = 0;

/** What of this guest, and for it, is let in. */
export function admissionFlows(ways: Ways, guest: Guest): Flow[] {
  const places = placesOf(guest);
  const ends = places.filter(({ isHere }) => !isHere).flatMap(({ binding }) => ways.from(binding.node));
  const fromNode = new Map(ends.map((end) => [`${end.portNo} ${end.address}`, end]));
  return [
    ...places.flatMap(({ portNo }) => (portNo === undefined ? [] : portAdmission(guest, portNo))),
    ...[...fromNode.values()].map((end) => tunnelAdmission(guest, end)),
    ...lateAdmission(ways, guest),
  ];
}

function portAdmission({ binding, tenant, cookie, isMember }: Guest, inPort: number): Flow[] {
  const mac = ethAddress(binding.mac);
  const ip = ipv4(binding.ip);
  const arp: Match = { inPort, ethSrc: mac, ethType: ETH_TYPE_ARP, arpSha: mac };
  const probe: Match = { ...arp, arpOp: ARP_REQUEST, arpSpa: UNSPECIFIED };
  const admit = (match: Match, tableId: number): Flow =>
    row(cookie, Table.ingress, Priority.normal, match, actAndGo(tableId, setField('reg2', tenant)));
  const admitIp = (match: Match, tableId: number): Flow =>
    isMember ? row(cookie, Table.ingress, Priority.normal, match, intoGroups(tenant, inPort)) : admit(match, tableId);
  return [
    admitIp({ inPort, ethSrc: mac, ethType: ETH_TYPE_IPV4, ipv4Src: ip }, Table.route),
    // The one of its addresses that nobody gives it; by whatever else it may call itself, others do not know whose that is.
    admitIp({ inPort, ethSrc: mac, ethType: ETH_TYPE_IPV6, ipv6Src: linkLocalOf(mac) }, Table.forward),
    admit({ ...arp, arpSpa: ip }, Table.arp),
    admit(probe, Table.arp),
    // Who asks for its own address wants to hear of another owner (RFC 5227, 2.1.1), and there is none.
    row(cookie, Table.arp, Priority.own, { inPort, ethType: ETH_TYPE_ARP, arpTpa: ip }, []),
  ];
}

function tunnelAdmission({ binding, tenant, cookie }: Guest, end: TunnelEnd): Flow {
  const match: Match = { ...fromTunnel(tenant, end), ethSrc: ethAddress(binding.mac) };
  return row(cookie, Table.ingress, Priority.normal, match, intoForward(tenant));
}

// What a guest's old place sends on may be of anybody; that place has looked at who it is of.
function lateAdmission(ways: Ways, guest: Guest): Flow[] {
  const { binding, tenant, cookie, active, prepared, departed } = guest;
  const admit = (from: Place, to: Place): Flow[] => {
    if (!to.isHere && !ways.isBetween(from.binding.node, to.binding.node)) return [];
    return ways.from(from.binding.node).map((end) => {
      const match: Match = { ...fromTunnel(tenant, end), ethDst: ethAddress(binding.mac) };
      return row(cookie, Table.ingress, Priority.own, match, intoForward(tenant));
    });
  };
  const now = prepared === undefined ? [] : admit(active, prepared);
  const before = departed === undefined ? [] : admit(departed, active);
  // What is needed now does not end by itself.
  const isNeeded = new Set(now.map(flowKey));
  const endsSoon = before.filter((flow) => !isNeeded.has(flowKey(flow)));
  return [...now, ...endsSoon.map((flow) => ({ ...flow, hardTimeoutSec: LATE_FORWARD_SEC }))];
}

export function fromTunnel(tenant: number, { portNo, address }: TunnelEnd): Match {
  return { inPort: portNo, tunnelId: tenantTunnelIds(tenant), tunIpv4Src: address };
}

export function intoForward(tenant: number) {
  return actAndGo(Table.forward, setField('reg0', Origin.tunnel), setField('reg2', tenant));
}

/** A port that no agent keeps a gate for, or the tunnel: always in. */
export function enter(cookie: bigint, inPort: number): Flow {
  return row(cookie, Table.gateIn, Priority.normal, { inPort }, [gotoTable(Table.ingress)]);
}
