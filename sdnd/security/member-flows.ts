// The flows of one guest at a switch for the security groups that it is in. At its own switch: their rules, and the connections
// that came with it. At every switch of its network where rules name one of its groups: its addresses, once for all rules and
// ports there, so that entries are as many as rules and members together and never one for each of both. Pure: from the groups
// and who is where. A guest in no group has none.
import { ipv4 } from '@openflow/ofp';
import type { SecurityRule } from '../../wire/contracts/security-groups.ts';
import { type Flow, flowsByKey } from '../flow.ts';
import { type Guest, placesOf } from '../forwarding/guest.ts';
import { ipv6Of } from '../forwarding/ipv6-addresses.ts';
import { portZone } from '../pipeline.ts';
import { answerMatch } from './answer-match.ts';
import { groupNumber } from './group-number.ts';
import type { Membership } from './members.ts';
import type { Direction, NamedGroups } from './named-groups.ts';
import { allowedFlow, answersFlow, farFlow, namedFlow } from './policy-flows.ts';
import { ipv4Far, ipv6Far, ruleMatches } from './rule-matches.ts';

const DIRECTIONS: readonly Direction[] = ['egress', 'ingress'];

/** `named`: by the rules of its network's guests at this switch. @throws Error for a rule whose prefix is none */
export function memberFlows(groups: Membership, named: NamedGroups, guest: Guest): Flow[] {
  if (!guest.isMember) return [];
  const { rules, own } = { rules: rulesOf(groups, guest), own: groups.of(guest.binding.owner) };
  const flows = portsOf(guest).flatMap((portNo) => [
    ...rules.flatMap((rule) => ruleFlows(guest, portNo, rule)),
    ...answerFlows(guest, portNo),
  ]);
  const far = DIRECTIONS.flatMap((direction) => [
    ...farFlows(guest, direction, 'IPv4', named.of(own, direction, 'IPv4')),
    ...farFlows(guest, direction, 'IPv6', named.of(own, direction, 'IPv6')),
  ]);
  // Rules of several groups may say the same.
  return [...flowsByKey(flows).values(), ...far];
}

function portsOf(guest: Guest): number[] {
  return placesOf(guest).flatMap(({ portNo }) =>
    portNo === undefined || portZone(portNo) === undefined ? [] : [portNo],
  );
}

function rulesOf(groups: Membership, { binding }: Guest): SecurityRule[] {
  return groups.of(binding.owner).flatMap((group) => group.rules);
}

function ruleFlows(guest: Guest, portNo: number, rule: SecurityRule): Flow[] {
  const { direction, remoteGroup } = rule;
  const number = remoteGroup === undefined ? undefined : groupNumber(remoteGroup);
  return ruleMatches(rule).map((match) => {
    if (number === undefined) return allowedFlow(guest, portNo, direction, match);
    return namedFlow(guest, portNo, direction, { ...number, ...match });
  });
}

function farFlows(
  guest: Guest,
  direction: Direction,
  ethertype: SecurityRule['ethertype'],
  groups: readonly string[],
): Flow[] {
  if (groups.length === 0) return [];
  const { network, binding } = guest;
  const matches =
    ethertype === 'IPv4'
      ? [ipv4Far(direction, ipv4(binding.ip))]
      : ipv6Of(network, binding).map((address) => ipv6Far(direction, address));
  const numbers = groups.map(groupNumber);
  return matches.map((match) => farFlow(guest, direction, match, numbers));
}

function answerFlows(guest: Guest, portNo: number): Flow[] {
  const { network, binding, connections } = guest;
  if (connections.length === 0) return [];
  const own = { ip: binding.ip, ipv6: ipv6Of(network, binding) };
  return connections.flatMap((connection) => {
    const answer = answerMatch(connection, own);
    return answer === undefined ? [] : [answersFlow(guest, portNo, answer.direction, answer.match)];
  });
}
