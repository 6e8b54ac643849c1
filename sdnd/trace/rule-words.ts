// Flow entries in our words: whose an entry is, what it does, and why a frame went no further. Pure; `sdnd/pipeline.ts` says
// which entries there are.
import { type Action, ipv4Text } from '@openflow/ofp';
import type { TraceRule } from '../../wire/contracts/trace.ts';
import { type Flow, flowEffect, flowKey } from '../flow.ts';
import { epochOfCookie, Priority, SERVICE_MAC, Table, writerOfCookie } from '../pipeline.ts';

const TABLE_NAMES = [
  ...['gate-in', 'ingress', 'arp', 'groups-out', 'judge-out', 'route'],
  ...['forward', 'track-in', 'groups-in', 'judge-in', 'gate-out', 'relay'],
  ...['far-out', 'named-out', 'far-in', 'named-in'],
];

/** Of the overlay whose entries they are. */
export interface Names {
  readonly incarnation: number;
  /** A guest by its MAC address. */
  readonly guestOf: (mac: string) => string | undefined;
}

export function tableName(tableId: number): string {
  return TABLE_NAMES[tableId] ?? `table ${tableId}`;
}

export function describeRule(flow: Flow, names: Names): TraceRule {
  const { tableId, priority, cookie } = flow;
  const epoch = epochOfCookie(cookie, names.incarnation);
  return {
    table: tableName(tableId),
    priority,
    cookie: `0x${cookie.toString(16).padStart(16, '0')}`,
    writer: writerOfCookie(cookie),
    epoch: epoch === undefined || epoch === 0 ? null : epoch,
    says: isDrop(flow) ? `dropped: ${ruleWords(flow, names)}` : ruleWords(flow, names),
    entry: `${flowKey(flow)} ${flowEffect(flow)}`,
  };
}

function isDrop({ instructions }: Flow): boolean {
  return instructions.length === 0;
}

function ruleWords(flow: Flow, names: Names): string {
  const { tableId, cookie } = flow;
  const writer = writerOfCookie(cookie);
  if (writer === 'stranger') return "a stranger's rule";
  if (writer === 'prober') return 'a probe, to the agent';
  if (writer === 'agent') return agentWords(tableId);
  switch (tableId) {
    case Table.gateIn:
      return 'let in';
    case Table.ingress:
      return ingressWords(flow, names);
    case Table.farOut:
      return farWords(flow, 'receiver');
    case Table.farIn:
      return farWords(flow, 'sender');
    case Table.namedOut:
    case Table.namedIn:
      return 'allowed by a rule that names that group';
    case Table.groupsOut:
    case Table.groupsIn:
      return groupWords(flow);
    case Table.judgeOut:
    case Table.judgeIn:
      return 'let through by its security groups';
    case Table.trackIn:
      return "looked up among its receiver's connections";
    case Table.route:
      return flow.priority === Priority.miss ? 'not for the router' : routeWords(flow, names);
    case Table.forward:
      return forwardWords(flow, names);
    case Table.gateOut:
      return gateOutWords(flow);
    case Table.relay:
      return 'into the next tunnel, one off its hop budget';
    default:
      return 'ARP is answered in the switch';
  }
}

function agentWords(tableId: number): string {
  if (tableId === Table.ingress) return "to the services of the guest's node";
  return tableId === Table.route ? 'for a stub of another place: told, and goes no further' : 'the port is open';
}

function ingressWords({ match, priority }: Flow, { guestOf }: Names): string {
  if (match.ctState !== undefined) return 'an answer from outside';
  const from = nameOf(match.ethSrc, guestOf);
  if (match.tunIpv4Src === undefined) return `${from} sends from its own port by its own addresses`;
  const by = typeof match.tunIpv4Src === 'number' ? ` from ${ipv4Text(match.tunIpv4Src)}` : '';
  if (priority === Priority.normal) return `${from} sends by the tunnel${by}`;
  return `for ${nameOf(match.ethDst, guestOf)}, sent on by the tunnel${by}`;
}

function farWords({ priority }: Flow, end: 'receiver' | 'sender'): string {
  return priority === Priority.miss
    ? `its ${end} is in no group that rules here name`
    : `its ${end} is in a group that rules here name`;
}

function groupWords({ priority }: Flow): string {
  if (priority === Priority.own || priority === Priority.normal) return 'allowed by a rule of its security groups';
  return priority === Priority.miss
    ? 'allowed by no rule of its security groups'
    : 'an answer on a connection that came with its guest';
}

function routeWords(flow: Flow, { guestOf }: Names): string {
  if (flow.priority === Priority.guard) return 'neighbour discovery in the name of others';
  if (flow.priority === Priority.normal) return 'for nobody in the subnets of its network';
  if (flow.priority === Priority.fallback) return "to its network's way out";
  if (flow.priority === Priority.detour) return "for a stub: under its resource's address";
  const mac = actionsOf(flow).find((action) => action.type === 'set-field' && action.field === 'ethDst');
  const to = mac?.type === 'set-field' ? nameOf(mac.value, guestOf) : 'its subnet';
  return `routed to ${to}, one off its time to live`;
}

function forwardWords(flow: Flow, { guestOf }: Names): string {
  if (flow.match.ctState !== undefined) return "out to a stub's resource";
  const to = nameOf(flow.match.ethDst, guestOf);
  const address = tunnelOf(flow);
  if (address === undefined && flow.match.ethDst === SERVICE_MAC) return "out under its network's address";
  if (address === undefined) return `to ${to}: a port of this switch`;
  const how = flow.priority === Priority.normal ? 'by the tunnel' : 'sent on by the tunnel';
  return `to ${to}: ${how} to ${address}`;
}

function gateOutWords(flow: Flow): string {
  const address = tunnelOf(flow);
  if (flow.priority === Priority.fallback)
    return `the port is closed: by the tunnel to ${address ?? 'its other place'}`;
  return flow.match.reg0 === undefined ? 'out by the port' : 'into the tunnel';
}

/** The address of the tunnel that an entry leads into. */
function tunnelOf(flow: Flow): string | undefined {
  const set = actionsOf(flow).find((action) => action.type === 'set-field' && action.field === 'tunIpv4Dst');
  return set?.type === 'set-field' && typeof set.value === 'number' ? ipv4Text(set.value) : undefined;
}

function actionsOf({ instructions }: Flow): Action[] {
  return instructions.flatMap((instruction) => (instruction.type === 'apply-actions' ? instruction.actions : []));
}

function nameOf(mac: unknown, guestOf: Names['guestOf']): string {
  if (mac === SERVICE_MAC) return 'the router';
  return typeof mac === 'string' ? (guestOf(mac) ?? mac) : 'anybody';
}

/** Why a frame that met no entry in this table ends there. */
export function missWords(tableId: number, { from, to }: { readonly from: string; readonly to: string }): string {
  switch (tableId) {
    case Table.gateIn:
      return `the port of ${from} is closed, or no port at all`;
    case Table.ingress:
      return `${from} may not send from there by these addresses`;
    case Table.judgeOut:
      return `no security group of ${from} allows that`;
    case Table.judgeIn:
      return `no security group of ${to} allows that`;
    case Table.forward:
      return `${to} is not known there in the network of ${from}`;
    case Table.gateOut:
      return `the port of ${to} is closed`;
    case Table.relay:
      return 'its hop budget is used up';
    default:
      return `no rule in ${tableName(tableId)}`;
  }
}
