// How a guest's frames for the services get to its node's agent, at the switch: by flows and a meter of the agent's own, in
// the table behind the gate, so that a closed port reaches no service and a controller that is away is not missed.
import { applyActions, type EthAddress, type Message } from '@openflow/ofp';
import type { Flow } from './flow.ts';
import type { FlowDiff } from './flow-diff.ts';
import type { GuestNetwork } from './guest-services/guest-network.ts';
import { serviceMatches } from './guest-services/service-matches.ts';
import { AGENT_COOKIE, Priority, Table } from './pipeline.ts';
import { serviceMeter, TO_SERVICES } from './service-desk.ts';

/** A port whose guest is answered. */
export interface ServedPort {
  readonly portNo: number;
  readonly mac: EthAddress;
  readonly network: GuestNetwork;
}

/** Only from the guest's own MAC address (PROMISES N6); the services look at its IP address, which may be none yet. */
export function serviceFlows({ portNo, mac, network }: ServedPort): Flow[] {
  return serviceMatches(network, 'services').map((match) => ({
    tableId: Table.ingress,
    priority: Priority.own,
    cookie: AGENT_COOKIE,
    match: { inPort: portNo, ethSrc: mac, ...match },
    instructions: [{ type: 'meter', meterId: portNo }, applyActions(TO_SERVICES)],
  }));
}

/** Whether a flow of an agent is one of these, and no gate. */
export function isServiceFlow({ tableId }: Flow): boolean {
  return tableId === Table.ingress;
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
