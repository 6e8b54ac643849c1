// Who may send what: the table `ingress`. A frame goes on only with the source address of a binding, from its port or
// from its node (SOUNDNESS C11), or from where its receiver is moving from.
import { type Action, ethAddress, gotoTable, type Instruction, ipv4, type Match, setField } from '@openflow/ofp';
import { type Flow, flowKey } from '../flow.ts';
import { LATE_FORWARD_SEC, Origin, Priority, Table, tenantTunnelIds } from '../pipeline.ts';
import { intoGroups } from '../security/policy-flows.ts';
import { actAndGo, row } from './flow-row.ts';
import { type Guest, type Place, placesOf } from './guest.ts';
import { ipv6Admission } from './ipv6-admission.ts';
import type { TunnelEnd, Ways } from './ways.ts';

export const ETH_TYPE_IPV4 = 0x0800;
export const ETH_TYPE_ARP = 0x0806;
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

function portAdmission(guest: Guest, inPort: number): Flow[] {
  const { binding, tenant, cookie, isMember } = guest;
  const mac = ethAddress(binding.mac);
  const ip = ipv4(binding.ip);
  const arp: Match = { inPort, ethSrc: mac, ethType: ETH_TYPE_ARP, arpSha: mac };
  const probe: Match = { ...arp, arpOp: ARP_REQUEST, arpSpa: UNSPECIFIED };
  const toTable = (tableId: number, ...marks: readonly Action[]): readonly Instruction[] =>
    actAndGo(tableId, setField('reg2', tenant), ...marks);
  const admit = (match: Match, onward: readonly Instruction[]): Flow =>
    row(cookie, Table.ingress, Priority.normal, match, onward);
  const onward = (...marks: readonly Action[]): readonly Instruction[] =>
    isMember ? intoGroups(tenant, inPort, marks) : toTable(Table.route, ...marks);
  return [
    admit({ inPort, ethSrc: mac, ethType: ETH_TYPE_IPV4, ipv4Src: ip }, onward()),
    ...ipv6Admission(guest, inPort, onward),
    admit({ ...arp, arpSpa: ip }, toTable(Table.arp)),
    admit(probe, toTable(Table.arp)),
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
