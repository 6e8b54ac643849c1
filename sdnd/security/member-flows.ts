// The flows of one switch for the guests there that are in security groups: their rules, and the connections that came with
// them. Pure: from the groups and who is where. A guest in no group has none.
import { ethAddress } from '@openflow/ofp';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { type Flow, flowsByKey } from '../flow.ts';
import { type Guest, placesOf } from '../forwarding/guest.ts';
import { type OverlayView, tenantOf } from '../forwarding/view.ts';
import { linkLocalOf } from '../packets/ipv6.ts';
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
  const rules = groups.filter(({ members }) => members.includes(owner)).flatMap((group) => group.rules);
  return rules.flatMap((rule) =>
    ruleMatches(rule, membersOf).map((match) => allowedFlow(guest, portNo, rule.direction, match)),
  );
}

function answerFlows({ connections }: OverlayView, guest: Guest, portNo: number): Flow[] {
  const { ip, mac, owner } = guest.binding;
  const own = [ip, linkLocalOf(ethAddress(mac))] as const;
  return (connections.get(owner) ?? []).flatMap((connection) => {
    const answer = answerMatch(connection, own);
    return answer === undefined ? [] : [answersFlow(guest, portNo, answer.direction, answer.match)];
  });
}
