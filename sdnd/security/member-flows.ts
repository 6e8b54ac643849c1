// The flows of one switch for the guests there that are in security groups: their rules, and the connections that came with
// them. Pure: from the groups and who is where. A guest in no group has none.
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { type Flow, flowsByKey } from '../flow.ts';
import { type Guest, placesOf } from '../forwarding/guest.ts';
import { ipv6Of } from '../forwarding/ipv6-addresses.ts';
import { type OverlayView, tenantOf } from '../forwarding/view.ts';
import { portZone } from '../pipeline.ts';
import { answerMatch } from './answer-match.ts';
import { allowedFlow, answersFlow, judgeFlows } from './policy-flows.ts';
import { ruleMatches } from './rule-matches.ts';

/** `common`: the cookie of what belongs to no guest. @throws Error for a rule whose prefix is none */
export function memberFlows(overlay: OverlayView, common: bigint, guests: readonly Guest[]): Flow[] {
  const ports = guests.flatMap((guest) => (guest.isMember ? portsOf(guest) : []));
  if (ports.length === 0) return [];
  const flows = ports.flatMap(({ guest, portNo }) => [
    ...ruleFlows(overlay, guest, portNo),
    ...answerFlows(overlay, guest, portNo),
  ]);
  // Rules of several groups may say the same.
  return [...judgeFlows(common), ...flowsByKey(flows).values()];
}

function portsOf(guest: Guest): { guest: Guest; portNo: number }[] {
  return placesOf(guest).flatMap(({ portNo }) =>
    portNo === undefined || portZone(portNo) === undefined ? [] : [{ guest, portNo }],
  );
}

function ruleFlows({ groups, bindings }: OverlayView, guest: Guest, portNo: number): Flow[] {
  const { owner } = guest.binding;
  const membersOf = (name: string): Binding[] => {
    const members = groups.find((group) => group.name === name)?.members ?? [];
    const bound = members.map((member) => bindings.get(member)).filter((binding) => binding !== undefined);
    return bound.filter((binding) => tenantOf(binding) === guest.tenant);
  };
  const members = { of: membersOf, ipv6Of: (member: Binding) => ipv6Of(guest.network, member) };
  const rules = groups.filter((group) => group.members.includes(owner)).flatMap((group) => group.rules);
  return rules.flatMap((rule) =>
    ruleMatches(rule, members).map((match) => allowedFlow(guest, portNo, rule.direction, match)),
  );
}

function answerFlows({ connections }: OverlayView, guest: Guest, portNo: number): Flow[] {
  const { network, binding } = guest;
  const carried = connections.get(binding.owner) ?? [];
  if (carried.length === 0) return [];
  const own = { ip: binding.ip, ipv6: ipv6Of(network, binding) };
  return carried.flatMap((connection) => {
    const answer = answerMatch(connection, own);
    return answer === undefined ? [] : [answersFlow(guest, portNo, answer.direction, answer.match)];
  });
}
