// The entries that a lone controller gives a switch. One table, so that every switch of OpenFlow 1.3 can take them. Pure.
//
//  priority  what
//  400       probes to the controller
//  300       frames that no bridge passes on (IEEE 802.1D, 7.12.6)
//  200       a pair: port, sender, receiver -> out of one port
//  110       for a second, of a port that sent too much to the controller: a flood without the copy
//  100       a flood: port, group address -> every other port that may forward floods; of an edge port also to the controller
//  90        any other group address: nothing
//  10        for such a second, anything else of the port: nothing
//  0         to the controller
import {
  type Action,
  applyActions,
  CONTROLLER_WHOLE_PACKET,
  type EthAddress,
  ethAddress,
  type FlowMod,
  FlowModFlag,
  flowMod,
  type Match,
  output,
  PortNumber,
} from '@openflow/ofp';
import type { Flow } from '../flow.ts';
import { ethOf } from './host-table.ts';
import type { Hop } from './path.ts';
import { PROBE_DESTINATION, PROBE_ETHER_TYPE } from './port-probe.ts';

/** Whose entries these are: 'SCL' in the first bytes. */
export const LONE_COOKIE = 0x53434c0000000000n;
export const Priority = {
  probe: 400,
  reserved: 300,
  pair: 200,
  mutedFlood: 110,
  flood: 100,
  noFlood: 90,
  pause: 10,
  miss: 0,
} as const;
/** As long as ovs-testcontroller keeps a flow that nothing uses; a path that is used again costs one packet-in. */
const IDLE_SEC = 60;
const PAUSE_SEC = 1;
const GROUP_BIT = ethAddress('01:00:00:00:00:00');
const ANY_GROUP = { value: GROUP_BIT, mask: GROUP_BIT };
const TO_CONTROLLER = output(PortNumber.controller, CONTROLLER_WHOLE_PACKET);

function flow(priority: number, match: Match, ...actions: readonly Action[]): Flow {
  const instructions = actions.length === 0 ? [] : [applyActions(...actions)];
  return { tableId: 0, priority, match, instructions, cookie: LONE_COOKIE };
}

function nothing(priority: number, match: Match): Flow {
  return flow(priority, match);
}

/** What every switch has from the first on. */
export const BASE_FLOWS: readonly Flow[] = [
  flow(Priority.probe, { ethDst: PROBE_DESTINATION, ethType: PROBE_ETHER_TYPE }, TO_CONTROLLER),
  nothing(Priority.reserved, {
    ethDst: { value: ethAddress('01:80:c2:00:00:00'), mask: ethAddress('ff:ff:ff:ff:ff:f0') },
  }),
  nothing(Priority.noFlood, { ethDst: ANY_GROUP }),
  flow(Priority.miss, {}, TO_CONTROLLER),
];

/** How the ports forward floods among each other; `isEdge`: whose frames the controller hears of too. */
export function floodFlows(ports: ReadonlySet<number>, isEdge: (portNo: number) => boolean): Flow[] {
  return [...ports].map((inPort) => {
    const outputs = [...ports].filter((other) => other !== inPort).map((other) => output(other));
    const copy = isEdge(inPort) ? [TO_CONTROLLER] : [];
    return flow(Priority.flood, { inPort, ethDst: ANY_GROUP }, ...outputs, ...copy);
  });
}

export function noFloodMod(inPort: number): FlowMod {
  return flowMod({ command: 'delete-strict', priority: Priority.flood, match: { inPort, ethDst: ANY_GROUP } });
}

/** For a second nothing of the port comes to the controller: its misses end, its floods go on without the copy. */
export function pauseMods(inPort: number, ports: ReadonlySet<number>): FlowMod[] {
  const floods = floodFlows(ports, () => false).filter(({ match }) => match.inPort === inPort);
  const flows = [
    nothing(Priority.pause, { inPort }),
    ...floods.map((one) => ({ ...one, priority: Priority.mutedFlood })),
  ];
  return flows.map((one) => flowMod({ command: 'add', ...one, hardTimeoutSec: PAUSE_SEC }));
}

function hopMatch({ inPort, from, to }: Hop): Match {
  return { inPort, ethDst: ethOf(to), ethSrc: ethOf(from) };
}

/** A pair's entry, which goes when it has not been used for a minute and then says so. */
export function hopMod(hop: Hop, bufferId?: number): FlowMod {
  const { priority, match, instructions, cookie } = hopFlow(hop);
  const base = { command: 'add', priority, match, instructions, cookie, idleTimeoutSec: IDLE_SEC } as const;
  const mod = flowMod({ ...base, flags: FlowModFlag.sendFlowRemoved });
  return bufferId === undefined ? mod : { ...mod, bufferId };
}

export function noHopMod(hop: Hop): FlowMod {
  return flowMod({ command: 'delete-strict', priority: Priority.pair, match: hopMatch(hop) });
}

export function hopFlow(hop: Hop): Flow {
  return flow(Priority.pair, hopMatch(hop), outOf(hop));
}

/** A frame that goes out where it came in has to be told so (OpenFlow 1.3.5, 7.2.1). */
export function outOf({ inPort, outPort }: Pick<Hop, 'inPort' | 'outPort'>): Action {
  return output(outPort === inPort ? PortNumber.inPort : outPort);
}

type PairMatch = Pick<Hop, 'inPort' | 'from' | 'to'>;

/** Whose frames a pair's entry of this controller takes; undefined for every other entry. */
export function pairOf({ priority, cookie, match, tableId }: Omit<Flow, 'instructions'>): PairMatch | undefined {
  const { inPort, ethSrc, ethDst } = match;
  if (priority !== Priority.pair || cookie !== LONE_COOKIE || tableId !== 0) return undefined;
  if (inPort === undefined || typeof ethSrc !== 'string' || typeof ethDst !== 'string') return undefined;
  return { inPort, from: numberOf(ethSrc), to: numberOf(ethDst) };
}

/** The same with the port that it sends them to. */
export function hopOf(flow: Flow): Omit<Hop, 'at'> | undefined {
  const pair = pairOf(flow);
  const [instruction] = flow.instructions;
  const action = instruction?.type === 'apply-actions' ? instruction.actions[0] : undefined;
  if (pair === undefined || action?.type !== 'output') return undefined;
  return { ...pair, outPort: action.port === PortNumber.inPort ? pair.inPort : action.port };
}

function numberOf(eth: EthAddress): number {
  return Number.parseInt(eth.replaceAll(':', ''), 16);
}
