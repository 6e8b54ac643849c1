// What a switch does with the frames of guests that are in security groups: the tables from `groups-out` to `judge-out`,
// before a guest's frame is routed, and from `track-in` to `judge-in`, where it is delivered (`pipeline.ts`). Pure. Rules are
// read for frames in the direction in which their connection was opened; those of the other direction are known by the
// connection, in a zone of the port's own.
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
  type NxCt,
  setField,
} from '@openflow/ofp';
import type { SecurityRule } from '../../wire/contracts/security-groups.ts';
import type { Flow } from '../flow.ts';
import { act, actAndGo, row } from '../forwarding/flow-row.ts';
import type { Guest } from '../forwarding/guest.ts';
import { EtherType } from '../packets/ethernet.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { CARRIED_SEC, Priority, portZone, Table } from '../pipeline.ts';

type Direction = SecurityRule['direction'];

/** In `reg4` and `reg5`: a rule allows it, or it answers on a connection that came with its guest. */
const Verdict = { none: 0, allowed: 1, answers: 2 } as const;
/** The mark of a connection that was remembered by an answer: its ends are the other way round. */
export const TURNED = 1;
/** Neighbour solicitation and advertisement (RFC 4861): without them no address is found. */
const NEIGHBOUR_TYPES = [135, 136];

/** `egress`: of what a guest sends; `ingress`: of what it gets. */
const WAYS = {
  egress: { groups: Table.groupsOut, judge: Table.judgeOut, verdict: 'reg4', next: Table.route },
  ingress: { groups: Table.groupsIn, judge: Table.judgeIn, verdict: 'reg5', next: Table.gateOut },
} as const;

/** Of a frame of a member, which matches IPv4 or IPv6; without a zone left for its port nothing goes on. */
export function intoGroups(tenant: number, inPort: number, marks: readonly Action[] = []): readonly Instruction[] {
  const zone = portZone(inPort);
  if (zone === undefined) return [];
  return act(setField('reg2', tenant), setField('reg3', zone), ...marks, track(zone, Table.groupsOut));
}

/** Of a frame for a member at a port of this switch. */
export function toMember(portNo: number): readonly Instruction[] {
  const zone = portZone(portNo);
  return zone === undefined ? [] : actAndGo(Table.trackIn, setField('reg1', portNo), setField('reg3', zone));
}

/** What is the same for all members of a switch, where there are any. */
export function judgeFlows(cookie: bigint): Flow[] {
  const lookUp = track({ field: 'reg3', bit: 0, bits: 16 }, Table.groupsIn);
  return [
    ...[EtherType.ipv4, EtherType.ipv6].map((ethType) =>
      row(cookie, Table.trackIn, Priority.normal, { ethType }, act(lookUp)),
    ),
    row(cookie, Table.trackIn, Priority.normal, { ethType: EtherType.arp }, [gotoTable(Table.gateOut)]),
    ...(['egress', 'ingress'] as const).flatMap((direction) => [
      row(cookie, WAYS[direction].groups, Priority.miss, {}, [gotoTable(WAYS[direction].judge)]),
      ...verdictFlows(cookie, direction, EtherType.ipv4),
      ...verdictFlows(cookie, direction, EtherType.ipv6),
      ...neighbourFlows(cookie, direction),
    ]),
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

/** An entry for answers on a connection that came with its guest. */
export function answersFlow(guest: Guest, portNo: number, direction: Direction, match: Match): Flow {
  const flow = noted(guest, portNo, direction, Priority.fallback, match, Verdict.answers);
  return { ...flow, hardTimeoutSec: CARRIED_SEC };
}

function noted(
  { binding, tenant, cookie }: Guest,
  portNo: number,
  direction: Direction,
  priority: number,
  match: Match,
  verdict: number,
): Flow {
  const { groups, judge, verdict: register } = WAYS[direction];
  const mac = ethAddress(binding.mac);
  const own: Match = direction === 'egress' ? { inPort: portNo, ethSrc: mac } : { reg1: portNo, ethDst: mac };
  return row(
    cookie,
    groups,
    priority,
    { ...own, reg2: tenant, ...match },
    actAndGo(judge, setField(register, verdict)),
  );
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
