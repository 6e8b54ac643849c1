// The pipeline of the integration bridge as one table of facts: tables, registers, priorities, cookies, port numbers
// and the tunnel id. Both who writes flows (the controller, each node's agent) agree here; no flow is made here.
//
//  table        frames              what happens there                                          miss
//  0 gate-in    with a VLAN tag                                                                   drop
//               all others          tunnel: on. Lab's own ports: on. An agent's port: on by     drop
//                                   the agent's flow, which is there only while it is open.
//                                   Probes of members, which no guest's tunnel id is: to the agent
//  1 ingress    from the tunnel     tenant, sender's node (or a gateway) and source MAC must    drop
//                                   be a binding's, or it comes from where its receiver is moving from
//                                   (SOUNDNESS C11); marked as from the tunnel; to forward
//               from a guest        to its node's services, behind a meter: by the agent's flows;   drop
//                                   source MAC and IP address, ARP's sender and what neighbour
//                                   discovery claims must be the binding's of that port, of IPv6
//                                   what follows from its MAC address (N6); marked with its tenant
//                                   (N7); ARP to arp, IP to route; IP of a member of security
//                                   groups to far-out, by its zone of connections
//               from outside        for a network's address: back to ingress under the guest's     drop
//                                   (ct), if it is of a connection of the network; to route
//  2 arp        ARP of guests       a request for a known address, or for a stub's in the          forward
//                                   router's name, is answered by the switch
//  3 groups-out IP of members       a rule of the sender's groups allows it: noted. What was       on
//                                   noted before: on
//  4 judge-out  IP of members       on, if a rule allows it or its connection is known; a new    drop
//                                   connection is remembered (ct); to route
//  5 route      IP of guests        neighbour discovery (IPv6) that is not proven: dropped        forward
//                                   to the router of its tenant's network: one off its time to
//                                   live, and to the MAC address of whom it is for, or on to
//                                   the router as the way out. To a stub: where its resource is,
//                                   under that one's address (ct), else to the agent, by its flows
//  6 forward    to a known MAC      of its tenant: where it is, a local port or a node behind   drop
//                                   the tunnel, to the registers; to gate-out, or track-in if it is
//                                   for a member of security groups
//               from the tunnel     of a guest that has just moved away, for 5 s, and at a
//                                   gateway on the way: to relay
//               to the router       to the node of the network's way out; there under the
//                                   network's address (ct), to gate-out
//               to a stub's         under the address by which guests are seen there (ct), to
//                                   gate-out
//  7 track-in   IP for members      looked up among the receiver's connections; ARP to gate-out  drop
//  8 groups-in  IP for members      as groups-out, by the receiver's groups                      on
//  9 judge-in   IP for members      as judge-out; to gate-out                                    drop
// 10 gate-out   to the tunnel       only frames of guests, with their origin's hop budget       drop
//               to a local port     an agent's open port, by the agent's flow; a lab's port      drop
//               to a closed port    of a guest that migrates: frames of guests into the tunnel
//                                   to its other place; frames from the tunnel, at its old
//                                   place, to relay
//               to the outside      only under the network's address                            drop
// 11 relay      from the tunnel     one off the hop budget, and into the tunnel; at 0: drop     drop
// 12 far-out    IP of members       before groups-out: for each group that the receiver is in and   on
//                                   a rule here names, named-out is looked at; to groups-out
// 13 named-out  IP of members       a rule of the sender's groups that names that group allows it:
//                                   noted                                                       back
// 14 far-in     IP for members      before groups-in, as far-out, by the sender's groups            on
// 15 named-in   IP for members      as named-out, by the rules of the receiver's groups           back
//
// A frame from the tunnel gets into one only by the table relay, each flow of which takes one off the budget in its
// tunnel id: no set of these flows, whatever mixture of old and new, takes a frame through more than 8 tunnels (N1,
// SOUNDNESS C1). A port of an agent passes nothing unless its agent says so: a switch that lost its flows, or whose agent
// is away, is closed.

import { ethAddress, type NxRegLoad } from '@openflow/ofp';

/** Flow tables; their numbers stay what they are, so that no version of this takes another's entries for its own. */
export const Table = {
  gateIn: 0,
  ingress: 1,
  arp: 2,
  groupsOut: 3,
  judgeOut: 4,
  route: 5,
  forward: 6,
  trackIn: 7,
  groupsIn: 8,
  judgeIn: 9,
  gateOut: 10,
  relay: 11,
  farOut: 12,
  namedOut: 13,
  farIn: 14,
  namedIn: 15,
} as const;

/** In the order in which a frame goes through them. */
export const TABLE_ORDER: readonly number[] = [
  ...[Table.gateIn, Table.ingress, Table.arp, Table.farOut, Table.namedOut, Table.groupsOut, Table.judgeOut],
  ...[Table.route, Table.forward, Table.trackIn, Table.farIn, Table.namedIn, Table.groupsIn, Table.judgeIn],
  ...[Table.gateOut, Table.relay],
];

/** `reg0`: where a frame came from. Open vSwitch starts every register at 0. */
export const Origin = { guest: 0, tunnel: 1, outside: 2 } as const;
// `reg1` is the number of the port that the frame is for, a guest's or the tunnel's; `reg2` its tenant; `reg3` the zone of
// connections that it was looked up in last, `reg4` and `reg5` what its sender's and its receiver's groups say of it; `reg7`
// and `reg8` the group of its far end whose rules are looked at (`group-number`).

/** In `reg6`: what a guest says of itself as a neighbour (IPv6) is true. */
export const PROVEN = 1;

/** Higher is looked at first. */
export const Priority = {
  miss: 0,
  fallback: 100,
  normal: 200,
  proven: 250,
  own: 300,
  detour: 400,
  guard: 500,
} as const;

/** The name of the one tunnel port on every integration bridge (VXLAN, remote address and key set by flows). */
export const TUNNEL_PORT_NAME = 'vxlan0';

/**
 * Port numbers that agents ask for. Open vSwitch gives others the lowest free number, so the two never meet on a switch
 * with fewer than 4095 other ports; the highest number of a port is 0xfeff.
 */
export const AGENT_PORT_FIRST = 0x1000;
export const AGENT_PORT_LAST = 0xfeff;

/** Whether a port is an agent's, and so passes frames by the agent's flows alone. */
export function isAgentPort(portNo: number): boolean {
  return portNo >= AGENT_PORT_FIRST && portNo <= AGENT_PORT_LAST;
}

/** No guest's: under it the nodes' agents probe the links between them. */
export const PROBE_TENANT = 0;
/** The tenant of a binding that names none. */
export const TENANT = 1;
/** The tunnel id: tenant (21 bits), and how many tunnels the frame may cross after this one (3 bits; SOUNDNESS C1). */
const BUDGET_BITS = 3;
const BUDGET_MASK = (1n << BigInt(BUDGET_BITS)) - 1n;
/** The largest hop budget: with the tunnel that it is sent into a frame crosses 8 at the most. */
export const BUDGET_MAX = Number(BUDGET_MASK);
/** Of a direct path: one more tunnel, for a guest that has just moved on. */
export const BUDGET_DIRECT = 1;

/** The tunnel id of a frame at its origin. `budget`: 0 to `BUDGET_MAX` tunnels after the first. */
export function originTunnelId(tenant: number, budget: number = BUDGET_DIRECT): bigint {
  return (BigInt(tenant) << BigInt(BUDGET_BITS)) | BigInt(budget);
}

/** What matches every tunnel id of a tenant, whatever is left of the budget. */
export function tenantTunnelIds(tenant: number): { value: bigint; mask: bigint } {
  return { value: originTunnelId(tenant, 0), mask: BigInt.asUintN(64, ~BUDGET_MASK) };
}

/** The tenant in a tunnel id. */
export function tenantOfTunnelId(tunnelId: bigint): number {
  return Number(tunnelId >> BigInt(BUDGET_BITS));
}

/** What matches the tunnel ids, of whatever tenant, with so much left of the budget. */
export function budgetTunnelIds(budget: number): { value: bigint; mask: bigint } {
  return { value: BigInt(budget), mask: BUDGET_MASK };
}

/** Writes what is left of the budget into the tunnel id that a frame came with. */
export function setBudget(budget: number): NxRegLoad {
  return { type: 'nx-reg-load', to: 'tunnelId', toBit: 0, bits: BUDGET_BITS, value: BigInt(budget) };
}

/**
 * Zones of connections of a way out: neither the machine's own, which is 0, nor those that count from `AGENT_PORT_FIRST`. As many
 * for the stubs whose resources are reached by one.
 */
const EGRESS_ZONES = AGENT_PORT_FIRST / 2 - 1;

/** In which zone a tenant's connections to the outside are remembered; it may be another's too, but not at one node. */
export function egressZone(tenant: number): number {
  return 1 + (tenant % EGRESS_ZONES);
}

/** In which zone it is remembered which stub a tenant's guest has called, beside the zone in which its connection leaves. */
export function stubZone(tenant: number): number {
  return EGRESS_ZONES + egressZone(tenant);
}

/** Zones of members' connections at ports that no agent has: above all those of agents' ports, which are their numbers. */
const LAB_ZONES_FIRST = AGENT_PORT_LAST + 1;
const LAB_PORTS_MAX = 0xff;

/** In which zone the connections of a port's guest are remembered: no other port's. Undefined: there is none left for it. */
export function portZone(portNo: number): number | undefined {
  if (isAgentPort(portNo)) return portNo;
  return portNo <= LAB_PORTS_MAX ? LAB_ZONES_FIRST + portNo : undefined;
}

/** `ipFrag` of a fragment but the first, in which there are no ports: both bits, which are the whole of it (ovs-fields(7), nw_frag). */
export const LATER_FRAGMENT = 3;

/** How long answers on connections that came with a guest are taken that its new switch has not seen yet (SOUNDNESS C5). */
export const CARRIED_SEC = 300;

/** How long frames that come late for a guest are sent on from its old place (SOUNDNESS C1). */
export const LATE_FORWARD_SEC = 5;

// A cookie: who put the flow there (8 bits), the cluster's incarnation (24 bits), the VM epoch (32 bits; SOUNDNESS C4).
const WRITER_SHIFT = 56n;
const INCARNATION_SHIFT = 32n;
const EPOCH_BITS = 32;
const CONTROLLER = 1n;
const AGENT = 2n;
const PROBER = 3n;
/** The bits of a cookie that say who wrote the flow. */
export const WRITER_MASK = 0xffn << WRITER_SHIFT;
/** The bits in the cookie of every flow of a controller. */
export const CONTROLLER_COOKIE = CONTROLLER << WRITER_SHIFT;
/** The cookie of every flow by which an agent turns a gate. */
export const AGENT_COOKIE = AGENT << WRITER_SHIFT;
/** The cookie of every flow by which an agent hears probes. */
export const PROBER_COOKIE = PROBER << WRITER_SHIFT;

/** Those of agents, in every flow of theirs. */
export const AGENT_COOKIES: readonly bigint[] = [AGENT_COOKIE, PROBER_COOKIE];

/** The cookie of a controller's flow; epoch 0 is of flows that belong to no VM. */
export function controllerCookie(incarnation: number, epoch: number): bigint {
  return (CONTROLLER << WRITER_SHIFT) | (BigInt(incarnation) << INCARNATION_SHIFT) | BigInt(epoch);
}

/** The epoch in a cookie of a controller of this incarnation; undefined in any other. */
export function epochOfCookie(cookie: bigint, incarnation: number): number | undefined {
  const isOurs = cookie >> INCARNATION_SHIFT === controllerCookie(incarnation, 0) >> INCARNATION_SHIFT;
  return isOurs ? Number(BigInt.asUintN(EPOCH_BITS, cookie)) : undefined;
}

/** Whether a flow is an agent's; all others, strangers included, are the controller's to keep or remove. */
export function isAgentCookie(cookie: bigint): boolean {
  return AGENT_COOKIES.includes(cookie & WRITER_MASK);
}

/** Who wrote a flow, as its cookie says. */
export function writerOfCookie(cookie: bigint): 'controller' | 'agent' | 'prober' | 'stranger' {
  const writer = cookie >> WRITER_SHIFT;
  if (writer === CONTROLLER) return 'controller';
  if (writer === AGENT) return 'agent';
  return writer === PROBER ? 'prober' : 'stranger';
}

/** The MTU of guests everywhere: 1460 of the narrowest provider less 80 (WireGuard) less 50 (VXLAN); SOUNDNESS C6. */
export const GUEST_MTU_BYTES = 1330;

/** Of the services and of the router, at every node the same; no guest's. */
export const SERVICE_MAC = ethAddress('02:53:43:00:00:01');
