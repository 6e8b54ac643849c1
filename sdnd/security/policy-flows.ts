// What a switch does with the frames of guests that are in security groups: the tables from `far-out` to `judge-out`, before a
// guest's frame is routed, and from `track-in` to `judge-in`, where it is delivered (`pipeline.ts`). Pure. Rules are read for
// frames in the direction in which their connection was opened; those of the other direction are known by the connection, in
// a zone of the port's own. Whether a frame's far end is in a group that a rule names is looked up once, before the rules.
import {
  type Action,
  applyActions,
  CtFlag,
  CtState,
  ethAddress,
  gotoTable,
  type Instruction,
  type Match,
  NX_CT_NO_TABLE,
  NX_RESUBMIT_IN_PORT,
  type NxCt,
  type NxResubmitTable,
  setField,
} from '@openflow/ofp';
import type { Flow } from '../flow.ts';
import { act, actAndGo, row } from '../forwarding/flow-row.ts';
import type { Guest } from '../forwarding/guest.ts';
import { EtherType } from '../packets/ethernet.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { CARRIED_SEC, Priority, portZone, Table } from '../pipeline.ts';
import type { GroupNumber } from './group-number.ts';
import type { Direction } from './named-groups.ts';

/** In `reg4` and `reg5`: a rule allows it, or it answers on a connection that came with its guest. */
const Verdict = { none: 0, allowed: 1, answers: 2 } as const;
/** The mark of a connection that was remembered by an answer: its ends are the other way round. */
export const TURNED = 1;
/** Neighbour solicitation and advertisement (RFC 4861): without them no address is found. */
const NEIGHBOUR_TYPES = [135, 136];

/** `egress`: of what a guest sends; `ingress`: of what it gets. */
const WAYS = {
  egress: {
    far: Table.farOut,
    named: Table.namedOut,
    groups: Table.groupsOut,
    judge: Table.judgeOut,
    verdict: 'reg4',
    next: Table.route,
  },
  ingress: {
    far: Table.farIn,
    named: Table.namedIn,
    groups: Table.groupsIn,
    judge: Table.judgeIn,
    verdict: 'reg5',
    next: Table.gateOut,
  },
} as const;

/** Of a frame of a member, which matches IPv4 or IPv6; without a zone left for its port nothing goes on. */
export function intoGroups(tenant: number, inPort: number, marks: readonly Action[] = []): readonly Instruction[] {
  const zone = portZone(inPort);
  if (zone === undefined) return [];
  return act(setField('reg2', tenant), setField('reg3', zone), ...marks, track(zone, Table.farOut));
}

/** Of a frame for a member at a port of this switch. */
export function toMember(portNo: number): readonly Instruction[] {
  const zone = portZone(portNo);
  return zone === undefined ? [] : actAndGo(Table.trackIn, setField('reg1', portNo), setField('reg3', zone));
}

/** What is the same for all members of a switch, where there are any. */
export function judgeFlows(cookie: bigint): Flow[] {
  const lookUp = track({ field: 'reg3', bit: 0, bits: 16 }, Table.farIn);
  return [
    ...[EtherType.ipv4, EtherType.ipv6].map((ethType) =>
      row(cookie, Table.trackIn, Priority.normal, { ethType }, act(lookUp)),
    ),
    row(cookie, Table.trackIn, Priority.normal, { ethType: EtherType.arp }, [gotoTable(Table.gateOut)]),
    ...(['egress', 'ingress'] as const).flatMap((direction) => [
      ...groupFlows(cookie, direction),
      ...verdictFlows(cookie, direction, EtherType.ipv4),
      ...verdictFlows(cookie, direction, EtherType.ipv6),
      ...neighbourFlows(cookie, direction),
    ]),
  ];
}

// What a rule that names a group has allowed needs no other, and is no answer.
function groupFlows(cookie: bigint, direction: Direction): Flow[] {
  const { far, groups, judge, verdict } = WAYS[direction];
  const onward = [gotoTable(judge)];
  return [
    row(cookie, far, Priority.miss, {}, act(lookAt(groups))),
    row(cookie, groups, Priority.own, { [verdict]: Verdict.allowed }, onward),
    row(cookie, groups, Priority.miss, {}, onward),
  ];
}

// A connection ends with the rule that allowed it: frames in its own direction are judged as long as it lasts.
function verdictFlows(cookie: bigint, direction: Direction, ethType: number): Flow[] {
  const { judge, verdict, next } = WAYS[direction];
  const [goOn, allowed, answers] = [gotoTable(next), { [verdict]: Verdict.allowed }, { [verdict]: Verdict.answers }];
  const judged = (match: Match, ...instructions: Instruction[]): Flow =>
    row(cookie, judge, Priority.normal, { ethType, ...match }, instructions);
  return [
    judged({ ctState: NEW, ...allowed }, applyActions(remember()), goOn),
    judged({ ctState: NEW, ...answers }, applyActions(remember(TURNED)), goOn),
    judged({ ctState: ONWARD, ctMark: 0, ...allowed }, goOn),
    judged({ ctState: BACK, ctMark: 0 }, goOn),
    judged({ ctState: ONWARD, ctMark: TURNED }, goOn),
    judged({ ctState: BACK, ctMark: TURNED, ...allowed }, goOn),
    judged({ ctState: RELATED }, goOn),
  ];
}

function neighbourFlows(cookie: bigint, direction: Direction): Flow[] {
  const { judge, next } = WAYS[direction];
  return NEIGHBOUR_TYPES.map((icmpv6Type) => {
    const match: Match = { ethType: EtherType.ipv6, ipProto: IpProtocol.icmpv6, icmpv6Type };
    return row(cookie, judge, Priority.own, match, [gotoTable(next)]);
  });
}

/** An entry of a member's port that notes what it matches; each says whose it is, so that its past can be told (`guest-past`). */
export function allowedFlow(guest: Guest, portNo: number, direction: Direction, match: Match): Flow {
  return noted(guest, portNo, direction, Priority.normal, match, Verdict.allowed);
}

/** The same by a rule that names a group: looked at only for a frame whose far end is in it. `match`: with the group's number. */
export function namedFlow(guest: Guest, portNo: number, direction: Direction, match: Match): Flow {
  const { named, verdict } = WAYS[direction];
  const marks = act(setField(verdict, Verdict.allowed));
  return row(guest.cookie, named, Priority.normal, { ...ownMatch(guest, portNo, direction), ...match }, marks);
}

/**
 * An entry for one of a guest's addresses, as the far end of others' frames, with the groups that it is in and rules here name:
 * some 40 bytes each, so that all that a cluster can have are within an entry's 64 KiB, and within the 4,096 times that Open
 * vSwitch looks a frame up.
 */
export function farFlow(
  { tenant, cookie }: Guest,
  direction: Direction,
  match: Match,
  groups: readonly GroupNumber[],
): Flow {
  const { far, named, groups: table } = WAYS[direction];
  const looks = groups.flatMap(({ reg7, reg8 }) => [setField('reg7', reg7), setField('reg8', reg8), lookAt(named)]);
  return row(cookie, far, Priority.normal, { reg2: tenant, ...match }, act(...looks, lookAt(table)));
}

/** An entry for answers on a connection that came with its guest. */
export function answersFlow(guest: Guest, portNo: number, direction: Direction, match: Match): Flow {
  const flow = noted(guest, portNo, direction, Priority.fallback, match, Verdict.answers);
  return { ...flow, hardTimeoutSec: CARRIED_SEC };
}

function noted(
  guest: Guest,
  portNo: number,
  direction: Direction,
  priority: number,
  match: Match,
  verdict: number,
): Flow {
  const { groups, judge, verdict: register } = WAYS[direction];
  const own = ownMatch(guest, portNo, direction);
  return row(guest.cookie, groups, priority, { ...own, ...match }, actAndGo(judge, setField(register, verdict)));
}

function ownMatch({ binding, tenant }: Guest, portNo: number, direction: Direction): Match {
  const mac = ethAddress(binding.mac);
  const own: Match = direction === 'egress' ? { inPort: portNo, ethSrc: mac } : { reg1: portNo, ethDst: mac };
  return { ...own, reg2: tenant };
}

/** A second look at a frame in another table; then it goes on where it was. */
function lookAt(tableId: number): NxResubmitTable {
  return { type: 'nx-resubmit-table', inPort: NX_RESUBMIT_IN_PORT, tableId };
}

function track(zone: NxCt['zone'], recircTable: number): NxCt {
  return { type: 'nx-ct', flags: 0, zone, recircTable, alg: 0, actions: [] };
}

function remember(mark?: number): NxCt {
  const zone = { field: 'reg3', bit: 0, bits: 16 } as const;
  const actions = mark === undefined ? [] : [{ type: 'set-field', field: 'ctMark', value: mark } as const];
  return { type: 'nx-ct', flags: CtFlag.commit, zone, recircTable: NX_CT_NO_TABLE, alg: 0, actions };
}

function state(has: number, hasNot: number): { value: number; mask: number } {
  return { value: CtState.tracked | has, mask: CtState.tracked | has | hasNot };
}

const NEW = state(CtState.new, CtState.invalid | CtState.related | CtState.reply);
const ONWARD = state(CtState.established, CtState.invalid | CtState.related | CtState.new | CtState.reply);
const BACK = state(CtState.established | CtState.reply, CtState.invalid | CtState.related | CtState.new);
/** An error that tells of a connection (RFC 5508): it has one that is known. */
const RELATED = state(CtState.related, CtState.invalid | CtState.new);
