// Which flows a switch should have, computed from who is where. Pure: the same overlay and the same ports give the same
// flows, whatever was installed before. The pipeline that they fill is described in the room `pipeline`.
import { gotoTable, type Match, output, VLAN_PRESENT } from '@openflow/ofp';
import type { Flow } from '../flow.ts';
import { controllerCookie, isAgentPort, Priority, Table } from '../pipeline.ts';
import { memberFlows } from '../security/member-flows.ts';
import { admissionFlows, enter } from './admission.ts';
import { arpAnswer } from './arp.ts';
import { deliveryFlows, tunnelFlows } from './delivery.ts';
import { egressFlows, egressGates } from './egress.ts';
import { act, row } from './flow-row.ts';
import { type Guest, heldTenants, placesOf } from './guest.ts';
import { neighbourGuard } from './ipv6-admission.ts';
import { routeFlows } from './routing.ts';
import { stubFlows } from './stubs.ts';
import type { OverlayView, SwitchView } from './view.ts';
import { Ways } from './ways.ts';

/** A frame with a VLAN tag is of no network here, and outside a guest would choose by it whose wire it comes to. */
const TAGGED: Match = { vlanVid: { value: VLAN_PRESENT, mask: VLAN_PRESENT } };

/** All flows that a switch should have; the agent's own are not among them. */
export function wantedFlows(overlay: OverlayView, view: SwitchView): Flow[] {
  const ways = new Ways(overlay, view);
  const tenants = heldTenants(overlay, view, ways);
  const guests = tenants.flatMap((tenant) => tenant.guests);
  const common = controllerCookie(overlay.incarnation, 0);
  return [
    row(common, Table.gateIn, Priority.own, TAGGED, []),
    row(common, Table.arp, Priority.miss, {}, [gotoTable(Table.forward)]),
    row(common, Table.route, Priority.miss, {}, [gotoTable(Table.forward)]),
    ...neighbourGuard(common),
    ...ways.tunnels.map((portNo) => enter(common, portNo)),
    ...tunnelFlows(common, ways.tunnels),
    ...guests.flatMap((guest) => admissionFlows(ways, guest)),
    ...tenants.filter(({ isHere }) => isHere).flatMap((tenant) => tenant.guests.map(arpAnswer)),
    ...tenants.flatMap(routeFlows),
    ...tenants.flatMap((tenant) => egressFlows(common, ways, view, tenant)),
    ...tenants.flatMap((tenant) => stubFlows(common, view, tenant)),
    ...egressGates(common, view, tenants),
    ...tenants.flatMap((tenant) => tenant.guests.flatMap((guest) => deliveryFlows(ways, guest, tenant))),
    ...memberFlows(overlay, common, guests),
    ...freePorts(guests).flatMap((portNo) => freePortFlows(common, portNo)),
  ];
}

/** Local ports that are bound but that no agent keeps a gate for. */
function freePorts(guests: readonly Guest[]): number[] {
  const numbers = guests.flatMap(placesOf).flatMap(({ portNo }) => (portNo === undefined ? [] : [portNo]));
  return [...new Set(numbers)].filter((portNo) => !isAgentPort(portNo));
}

function freePortFlows(cookie: bigint, portNo: number): Flow[] {
  return [enter(cookie, portNo), row(cookie, Table.gateOut, Priority.normal, { reg1: portNo }, act(output(portNo)))];
}
