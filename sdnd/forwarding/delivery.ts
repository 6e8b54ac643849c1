// Where a frame for a guest goes: the table `forward`, what `gate-out` does at a closed port, and how a frame that came
// late by the tunnel is sent on.
import { type Action, ethAddress, type Match, output, PortNumber, setField } from '@openflow/ofp';
import type { Flow } from '../flow.ts';
import {
  BUDGET_MAX,
  budgetTunnelIds,
  isAgentPort,
  LATE_FORWARD_SEC,
  Origin,
  originTunnelId,
  Priority,
  setBudget,
  Table,
} from '../pipeline.ts';
import { toMember } from '../security/policy-flows.ts';
import { act, actAndGo, row } from './flow-row.ts';
import { type Guest, type HeldTenant, isOnAnyWay, type Place } from './guest.ts';
import type { WayOut, Ways } from './ways.ts';

/**
 * One entry for each address, whatever it says: changing it from one place to another is one replacement, and there is
 * no moment with two entries or none. While a guest migrates both switches deliver to their own port, and the gates,
 * which the two agents turn, decide (SOUNDNESS C3, without the controller).
 */
export function deliveryFlows(ways: Ways, guest: Guest, tenant: HeldTenant): Flow[] {
  const { active, prepared } = guest;
  const isOnTheWay = isOnWayTo(ways, tenant, active);
  const portNo = active.portNo ?? prepared?.portNo;
  if (portNo !== undefined) return [...localFlows(guest, portNo), ...closedFlows(ways, guest, isOnTheWay)];
  const own = tenant.isHere ? remoteFlows(ways, guest, isOnTheWay) : [];
  return [...own, ...transitFlows(ways, guest, tenant), ...detourFlows(ways, guest)];
}

function localFlows(guest: Guest, portNo: number): Flow[] {
  const deliver = guest.isMember ? toMember(portNo) : actAndGo(Table.gateOut, setField('reg1', portNo));
  return [row(guest.cookie, Table.forward, Priority.normal, to(guest), deliver)];
}

// At a closed port of a guest that migrates frames go over to its other place: those of local guests always, those from
// the tunnel only at the place that others know, or on the way to it, so that two closed ports do not play ball for long.
function closedFlows(ways: Ways, guest: Guest, isOnTheWay: boolean): Flow[] {
  const { active, prepared, departed, cookie } = guest;
  if (prepared === undefined) return [];
  const [here, other] = active.portNo === undefined ? [prepared, active] : [active, prepared];
  const way = ways.to(other.binding.node);
  if (way === undefined || here.portNo === undefined || !isAgentPort(here.portNo)) return [];
  const closed: Match = { reg1: here.portNo, ...to(guest) };
  const over = act(...into(way), setField('tunnelId', originTunnelId(guest.tenant, way.budget)), output(way.portNo));
  const guests = row(cookie, Table.gateOut, Priority.fallback, { reg0: Origin.guest, ...closed }, over);
  const sentOn = late(guest, Table.gateOut, Priority.fallback, closed, way);
  if (here === active || isOnTheWay) return [guests, sentOn];
  return departed?.isHere === true ? [guests, forAWhile(sentOn)] : [guests];
}

function remoteFlows(ways: Ways, guest: Guest, isOnTheWay: boolean): Flow[] {
  const { active, prepared, departed, cookie, tenant } = guest;
  // The source takes its port away as soon as the guest runs elsewhere, which may be before the controller hears of it.
  const isLeaving = active.isHere && prepared !== undefined;
  const way = wayTo(ways, isLeaving ? undefined : active) ?? wayTo(ways, prepared);
  if (way === undefined) return [];
  const start = [...into(way), setField('tunnelId', originTunnelId(tenant, way.budget))];
  const flow = row(cookie, Table.forward, Priority.normal, to(guest), actAndGo(Table.gateOut, ...start));
  const sentOn = late(guest, Table.forward, Priority.own, to(guest), way);
  if (isLeaving) return [flow, sentOn];
  return departed?.isHere === true && !isOnTheWay ? [flow, forAWhile(sentOn)] : [flow];
}

// At a gateway on the way to a guest what comes out of a tunnel goes into the next one. Those on the way to where it may be
// next are ready before anybody goes that way, and those on the way to where it was before stay so for a while: the
// switches hear of a move in any order. A gateway that nobody goes by now is ready for where the guest is.
function transitFlows(ways: Ways, guest: Guest, tenant: HeldTenant): Flow[] {
  const { active, prepared, departed } = guest;
  const onTheWay = [active, prepared, departed].find((place) => place !== undefined && isOnWayTo(ways, tenant, place));
  const target = onTheWay ?? (mayBeOnWayTo(ways, tenant, active) ? active : undefined);
  const way = wayTo(ways, target);
  // At a place that the guest is leaving, or has left, `remoteFlows` says where late frames go.
  const isItsOwn = active.isHere || (departed?.isHere === true && onTheWay !== active);
  if (way === undefined || isItsOwn) return [];
  const flow = late(guest, Table.forward, Priority.own, to(guest), way);
  return [target === departed ? forAWhile(flow) : flow];
}

function isOnWayTo(ways: Ways, { nodes }: HeldTenant, { binding }: Place): boolean {
  return [...nodes].some((from) => ways.isBetween(from, binding.node));
}

function mayBeOnWayTo(ways: Ways, { nodes }: HeldTenant, { binding }: Place): boolean {
  return isOnAnyWay(ways, nodes, [binding.node]);
}

// At a gateway between the two places of a guest that migrates: what comes from the old place is on its way to the new one.
function detourFlows(ways: Ways, guest: Guest): Flow[] {
  const { active, prepared } = guest;
  if (prepared === undefined || !ways.isBetween(active.binding.node, prepared.binding.node)) return [];
  const [end, way] = [ways.before(active.binding.node, prepared.binding.node), wayTo(ways, prepared)];
  if (end === undefined || way === undefined) return [];
  const from: Match = { inPort: end.portNo, tunIpv4Src: end.address, ...to(guest) };
  return [late(guest, Table.forward, Priority.detour, from, way)];
}

function wayTo(ways: Ways, place: Place | undefined): WayOut | undefined {
  return place === undefined || place.isHere ? undefined : ways.to(place.binding.node);
}

function late({ cookie }: Guest, tableId: number, priority: number, match: Match, way: WayOut): Flow {
  return sendOn(cookie, tableId, priority, match, way);
}

/** Out of one tunnel into the next. */
export function sendOn(cookie: bigint, tableId: number, priority: number, match: Match, way: WayOut): Flow {
  return row(cookie, tableId, priority, { reg0: Origin.tunnel, ...match }, actAndGo(Table.relay, ...into(way)));
}

function forAWhile(flow: Flow): Flow {
  return { ...flow, hardTimeoutSec: LATE_FORWARD_SEC };
}

function to({ tenant, binding }: Guest): Match {
  return { reg2: tenant, ethDst: ethAddress(binding.mac) };
}

export function into({ portNo, address }: WayOut): readonly Action[] {
  return [setField('tunIpv4Dst', address), setField('reg1', portNo)];
}

/** The only flows by which a frame reaches a tunnel: one for those of guests, and for those out of a tunnel one a budget. */
export function tunnelFlows(cookie: bigint, tunnels: readonly number[]): Flow[] {
  return tunnels.flatMap((portNo) => {
    const leaving: Match = { reg0: Origin.guest, reg1: portNo };
    const leave = row(cookie, Table.gateOut, Priority.normal, leaving, act(output(portNo)));
    return [leave, ...tunnels.flatMap((inPort) => relayFlows(cookie, inPort, portNo))];
  });
}

function relayFlows(cookie: bigint, inPort: number, portNo: number): Flow[] {
  // To the port that a frame came in by it goes only when that is said so.
  const onward = inPort === portNo ? PortNumber.inPort : portNo;
  return Array.from({ length: BUDGET_MAX }, (_, index) => {
    const match: Match = { inPort, reg1: portNo, tunnelId: budgetTunnelIds(index + 1) };
    return row(cookie, Table.relay, Priority.normal, match, act(setBudget(index), output(onward)));
  });
}
