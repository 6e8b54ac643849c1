// How a guest's frames for the services get to its node's agent, at the switch: by flows and a meter of the agent's own, in
// the table behind the gate, so that a closed port reaches no service and a controller that is away is not missed.
import {
  type Action,
  applyActions,
  CONTROLLER_WHOLE_PACKET,
  type EthAddress,
  type Match,
  type Message,
  MeterFlag,
  type MeterMod,
} from '@openflow/ofp';
import type { Flow } from '../flow.ts';
import type { FlowDiff } from '../flow-diff.ts';
import { stubMatch } from '../forwarding/stubs.ts';
import type { GuestNetwork } from '../guest-services/guest-network.ts';
import { FRAMES_PER_S } from '../guest-services/port-allowance.ts';
import { serviceMatches } from '../guest-services/service-matches.ts';
import { AGENT_COOKIE, Priority, Table } from '../pipeline.ts';

/** By this id the switch knows the services among its controllers; the overlay's has 0. */
export const SERVICES_CONTROLLER_ID = 1;
/** More than the services look at, so that they can tell of a port that sends too many. */
const METER_PER_S = 2 * FRAMES_PER_S;
/** Of the 100 that wait, so that several guests' bursts find room at once. */
const METER_AT_ONCE = 30;
/** Of a packet-in: an action led there. */
const REASON_ACTION = 1;

/** The action of flows that lead a guest's frames to the services (`guest-services/service-matches`). */
export const TO_SERVICES: Action = {
  type: 'nx-controller',
  maxBytes: CONTROLLER_WHOLE_PACKET,
  controllerId: SERVICES_CONTROLLER_ID,
  reason: REASON_ACTION,
};

/**
 * The meter of a port, to stand before `TO_SERVICES` in its flows. The switch lets 100 frames wait for a connection, whoever
 * sent them: without it one guest's burst pushes the others' frames out.
 */
export function serviceMeter(portNo: number): MeterMod {
  const flags = MeterFlag.packetsPerSecond | MeterFlag.burst;
  const bands = [{ type: 'drop', rate: METER_PER_S, burst: METER_AT_ONCE } as const];
  return { type: 'meter-mod', command: 'add', flags, meterId: portNo, bands };
}

/** A port whose guest is answered. */
export interface ServedPort {
  readonly portNo: number;
  readonly mac: EthAddress;
  readonly network: GuestNetwork;
}

/** Only from the guest's own MAC address (PROMISES N6); the services look at its IP address, which may be none yet. */
export function serviceFlows({ portNo, mac, network }: ServedPort): Flow[] {
  const lead = (tableId: number, match: Match): Flow => ({
    ...{ tableId, priority: Priority.own, cookie: AGENT_COOKIE },
    match: { inPort: portNo, ethSrc: mac, ...match },
    instructions: [{ type: 'meter', meterId: portNo }, applyActions(TO_SERVICES)],
  });
  return [
    ...serviceMatches(network, 'services').map((match) => lead(Table.ingress, match)),
    // Where the guest is admitted, and its security groups have let it: else it would be moved by what it may not send.
    ...(network.stubs ?? []).map((stub) => lead(Table.route, stubMatch(stub))),
  ];
}

/** Whether a flow of an agent is one of these, and no gate. */
export function isServiceFlow({ tableId }: Flow): boolean {
  return tableId === Table.ingress || tableId === Table.route;
}

/**
 * What is to be said before the flows: the meters of all ports that lack a flow, since with its meter a port loses its
 * flows (OpenFlow 1.3.5, 6.4). Of the two one is refused, whether the meter was there or not.
 */
export function metersBefore({ puts }: FlowDiff): Message[] {
  return portsOf(puts).flatMap((portNo) => {
    const meter = serviceMeter(portNo);
    return [meter, { ...meter, command: 'modify' } as const];
  });
}

/** What is to be said after them: the meters of ports that have no such flow any more go. */
export function metersAfter({ removals }: FlowDiff, served: readonly ServedPort[]): Message[] {
  const kept = new Set(served.map(({ portNo }) => portNo));
  const gone = portsOf(removals).filter((portNo) => !kept.has(portNo));
  return gone.map((portNo) => ({ ...serviceMeter(portNo), command: 'delete', bands: [] }) as const);
}

function portsOf(flows: readonly Flow[]): number[] {
  return [...new Set(flows.flatMap(({ match }) => (match.inPort === undefined ? [] : [match.inPort])))];
}
