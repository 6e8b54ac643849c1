// The way out of a tenant's network: by one node's port to the outside, under one address, which is the network's alone. That
// node's switch remembers the connections (ct, nat) and stays where it is when a guest moves; the overlay carries the
// frames there and back. From outside answers come in, and who calls at a port that leads in: the guest sees who, since all that
// it says goes out by the same node.
import {
  type Action,
  CtFlag,
  CtState,
  type EthAddress,
  ethAddress,
  ipv4,
  ipv4Mask,
  type Masked,
  type Match,
  NatFlag,
  type NxNat,
  output,
  setField,
} from '@openflow/ofp';
import { UNROUTED } from '../../common/addresses/unrouted.ts';
import type { Egress, Forward, GuestNetworkPlan, NetworkExit } from '../../wire/contracts/guest-network.ts';
import { type Flow, flowsByKey } from '../flow.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { egressZone, LATER_FRAGMENT, Origin, originTunnelId, Priority, SERVICE_MAC, Table } from '../pipeline.ts';
import { ARP_REQUEST, ETH_TYPE_ARP, ETH_TYPE_IPV4, enter, fromTunnel, intoForward } from './admission.ts';
import { replyTo } from './arp.ts';
import { into, sendOn } from './delivery.ts';
import { act, actAndGo, row } from './flow-row.ts';
import { type HeldTenant, isOnAnyWay } from './guest.ts';
import { toRouter } from './routing.ts';
import type { SwitchView } from './view.ts';
import type { Ways } from './ways.ts';

/** A tenant, its way out, and this switch. */
export interface Exit {
  readonly cookie: bigint;
  readonly tenant: HeldTenant;
  readonly egress: Egress;
}

const MAC_PREFIX = '06:53';
const ADDRESS_BITS = 32;

/** Under which the outside knows a network: its own, so that two nodes on one wire are not taken for each other. */
export function egressMac(address: string): EthAddress {
  const octets = address.split('.').map((octet) => Number(octet).toString(16).padStart(2, '0'));
  return ethAddress([MAC_PREFIX, ...octets].join(':'));
}

/** Where a tenant's frames leave at this switch: by its network's way out, or by that to the resources of its stubs. */
export function exitAt({ node }: SwitchView, { network, isHere }: HeldTenant): NetworkExit | undefined {
  if (network?.egress?.node === node) return network.egress;
  return isHere ? network?.stubExits?.find((exit) => exit.node === node) : undefined;
}

/** What of a tenant's frames goes out, and what comes in for them. */
export function egressFlows(cookie: bigint, ways: Ways, view: SwitchView, tenant: HeldTenant): Flow[] {
  const egress = tenant.network?.egress;
  if (egress === undefined) return [];
  const exit = { cookie, tenant, egress };
  const isExit = egress.node === view.node;
  const portNo = isExit ? view.ports.get(egress.port) : undefined;
  return [
    ...(tenant.isHere ? defaultRoute(exit) : []),
    ...(portNo === undefined ? [] : [...leaving(exit, portNo), ...entering(exit, portNo)]),
    ...(isExit ? [] : [...towards(exit, ways), ...answers(exit, ways)]),
  ];
}

/** The ports to the outside let frames into the tables: one for several networks, it may be. */
export function egressGates(cookie: bigint, view: SwitchView, tenants: readonly HeldTenant[]): Flow[] {
  const names = tenants.map((tenant) => exitAt(view, tenant)?.port ?? '');
  const numbers = new Set(names.map((name) => view.ports.get(name)));
  return [...numbers].flatMap((portNo) => (portNo === undefined ? [] : [enter(cookie, portNo)]));
}

/** Of which none is outside, as a switch tells them: a single address without a mask. */
function notOutside(network: GuestNetworkPlan | undefined): readonly (number | Masked<number>)[] {
  const all = [...(network?.subnets ?? []), ...UNROUTED];
  return all.map(({ subnet, bits }) =>
    bits === ADDRESS_BITS ? ipv4(subnet) : { value: ipv4(subnet), mask: ipv4Mask(bits) },
  );
}

// What is for one of its subnets, but for nobody there, does not go out.
function defaultRoute({ cookie, tenant: { tenant, network } }: Exit): Flow[] {
  const inside = notOutside(network).map((ipv4Dst) =>
    row(cookie, Table.route, Priority.normal, { ...toRouter(tenant), ipv4Dst }, []),
  );
  const out: Match = { reg0: Origin.guest, ...toRouter(tenant) };
  return [...inside, row(cookie, Table.route, Priority.fallback, out, actAndGo(Table.forward, { type: 'dec-nw-ttl' }))];
}

/** At the node itself. */
function leaving(exit: Exit, portNo: number): Flow[] {
  const {
    cookie,
    tenant: { tenant },
  } = exit;
  return [
    ...[Origin.guest, Origin.tunnel].map((reg0) =>
      row(cookie, Table.forward, Priority.normal, { reg0, ...toRouter(tenant) }, act(...leave(exit, portNo))),
    ),
    left(exit, portNo),
  ];
}

/** By a port that leads outside, under the address that is the network's there. */
export function leave({ tenant: { tenant }, egress }: Exit, portNo: number): readonly Action[] {
  return [
    setField('ethSrc', egressMac(egress.address)),
    setField('ethDst', ethAddress(egress.nextHop)),
    setField('reg1', portNo),
    track(egressZone(tenant), Table.gateOut, translation(NatFlag.source, ipv4(egress.address))),
  ];
}

/** Nothing leaves under another address than the network's. */
export function left({ cookie, egress }: Exit, portNo: number): Flow {
  const match: Match = { reg1: portNo, ethType: ETH_TYPE_IPV4, ipv4Src: ipv4(egress.address) };
  return row(cookie, Table.gateOut, Priority.normal, match, act(output(portNo)));
}

// What comes for the network's address is looked up among its connections; what is of none goes no further, unless its port
// leads in. Of a packet that came back from that the address is the guest's, and the router sends it on. Answers to guests
// go on as long as their connection is known; who has called, only while the port that was called leads to that guest.
export function entering({ cookie, tenant: { tenant, network }, egress }: Exit, inPort: number): Flow[] {
  const address = ipv4(egress.address);
  const ip: Match = { inPort, ethType: ETH_TYPE_IPV4 };
  const untracked = { value: 0, mask: CtState.tracked };
  const asked: Match = { ...ip, ipv4Dst: address, ctState: untracked };
  const look = (nat?: NxNat) =>
    act(setField('reg0', Origin.outside), setField('reg2', tenant), track(egressZone(tenant), Table.ingress, nat));
  const goOn = actAndGo(Table.route, setField('ethSrc', SERVICE_MAC), setField('ethDst', SERVICE_MAC));
  const known: Match[] = [ANSWERS, ERRORS, CALLED].map((ctState) => ({ ctState }));
  const callers = (egress.forwards ?? []).flatMap(callerMatches);
  const arp: Match = { inPort, ethType: ETH_TYPE_ARP, arpOp: ARP_REQUEST, arpTpa: address };
  const flows = [
    row(cookie, Table.ingress, Priority.normal, asked, look()),
    // Under a guest's address nobody calls from there: guests, and the rules of their groups, know each other by it (RFC 2827).
    ...notOutside(network).map((ipv4Src) => row(cookie, Table.ingress, Priority.detour, { ...asked, ipv4Src }, [])),
    ...(egress.forwards ?? []).map(({ protocol, port, to, toPort }) => {
      const called =
        protocol === 'tcp' ? { ipProto: IpProtocol.tcp, tcpDst: port } : { ipProto: IpProtocol.udp, udpDst: port };
      const nat = translation(NatFlag.destination, ipv4(to), toPort);
      return row(cookie, Table.ingress, Priority.own, { ...asked, ...called }, look(nat));
    }),
    ...[...known, ...callers].map((match) =>
      row(cookie, Table.ingress, Priority.own, { ...ip, reg2: tenant, ...match }, goOn),
    ),
    row(cookie, Table.ingress, Priority.normal, arp, replyTo(egressMac(egress.address), address)),
  ];
  // Several ports may lead to one.
  return [...flowsByKey(flows).values()];
}

export function states(has: number, hasNot = 0): { value: number; mask: number } {
  return { value: CtState.tracked | has, mask: CtState.tracked | has | hasNot };
}

/** Of a connection that began inside, and what tells of any (RFC 5508). */
const ANSWERS = states(CtState.established | CtState.reply);
const ERRORS = states(CtState.related, CtState.established);
/** Of a connection that begins outside, at a port that leads in, and of one that began there. */
const CALLED = states(CtState.new | CtState.destinationNat);
const CALLS_ON = states(CtState.established, CtState.reply);

// A later fragment has no ports; without the first one, which has, a guest makes nothing of it.
function callerMatches({ protocol, to, toPort }: Forward): Match[] {
  const ends: Match = { ctState: CALLS_ON, ipv4Dst: ipv4(to), ipProto: IpProtocol[protocol] };
  return [
    { ...ends, ...(protocol === 'tcp' ? { tcpDst: toPort } : { udpDst: toPort }) },
    { ...ends, ipFrag: LATER_FRAGMENT },
  ];
}

export function translation(flags: number, min: number, port?: number): NxNat {
  const ports = port === undefined ? {} : { ports: { min: port } };
  return { type: 'nx-nat', flags, addresses: { family: 'ipv4', min }, ...ports };
}

/** `nat`: new connections are remembered, and so translated; absent: only those that are known. */
export function track(zone: number, recircTable: number, nat?: NxNat): Action {
  const flags = nat === undefined ? 0 : CtFlag.commit;
  return { type: 'nx-ct', flags, zone, recircTable, alg: 0, actions: [nat ?? { type: 'nx-nat', flags: 0 }] };
}

/** To the node of the way out: from guests here, and, on the way to it, from others. */
function towards({ cookie, tenant: { tenant, nodes, isHere }, egress }: Exit, ways: Ways): Flow[] {
  const way = ways.to(egress.node);
  if (way === undefined) return [];
  const start = actAndGo(Table.gateOut, ...into(way), setField('tunnelId', originTunnelId(tenant, way.budget)));
  const own = isHere ? [row(cookie, Table.forward, Priority.normal, toRouter(tenant), start)] : [];
  const isOnTheWay = isOnAnyWay(ways, nodes, [egress.node]);
  const through = isOnTheWay ? [sendOn(cookie, Table.forward, Priority.own, toRouter(tenant), way)] : [];
  return [...own, ...through];
}

/** In the router's name speaks no node but that of the way out (SOUNDNESS C11). */
function answers({ cookie, tenant: { tenant }, egress }: Exit, ways: Ways): Flow[] {
  return ways.from(egress.node).map((end) => {
    const match: Match = { ...fromTunnel(tenant, end), ethSrc: SERVICE_MAC };
    return row(cookie, Table.ingress, Priority.normal, match, intoForward(tenant));
  });
}
