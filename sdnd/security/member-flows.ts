// The flows of one guest at its own switch for the security groups that it is in: their rules, and the connections that came
// with it. Pure: from the groups and who is where. A guest in no group has none.
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { type Flow, flowsByKey } from '../flow.ts';
import { type Guest, placesOf } from '../forwarding/guest.ts';
import type { TenantGuests } from '../forwarding/guest-index.ts';
import { ipv6Of } from '../forwarding/ipv6-addresses.ts';
import { portZone } from '../pipeline.ts';
import { answerMatch } from './answer-match.ts';
import type { Membership } from './members.ts';
import { allowedFlow, answersFlow } from './policy-flows.ts';
import { ruleMatches } from './rule-matches.ts';

/** `tenant`: the guests of its network, who may be members of groups that its rules name. @throws Error for a rule whose prefix is none */
export function memberFlows(groups: Membership, tenant: Pick<TenantGuests, 'guests'>, guest: Guest): Flow[] {
  if (!guest.isMember) return [];
  const flows = portsOf(guest).flatMap((portNo) => [
    ...ruleFlows(groups, tenant, guest, portNo),
    ...answerFlows(guest, portNo),
  ]);
  // Rules of several groups may say the same.
  return [...flowsByKey(flows).values()];
}

function portsOf(guest: Guest): number[] {
  return placesOf(guest).flatMap(({ portNo }) =>
    portNo === undefined || portZone(portNo) === undefined ? [] : [portNo],
  );
}

function ruleFlows(groups: Membership, { guests }: Pick<TenantGuests, 'guests'>, guest: Guest, portNo: number): Flow[] {
  const membersOf = (name: string) => groups.membersOf(name).flatMap((member) => guests.get(member)?.binding ?? []);
  const members = { of: membersOf, ipv6Of: (member: Binding) => ipv6Of(guest.network, member) };
  const rules = groups.of(guest.binding.owner).flatMap((group) => group.rules);
  return rules.flatMap((rule) =>
    ruleMatches(rule, members).map((match) => allowedFlow(guest, portNo, rule.direction, match)),
  );
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
