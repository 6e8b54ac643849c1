// What all nodes' agents have counted, by pairs of guests: each counts what leaves at its own guests' ports, so that a frame
// is counted once, by whichever switches it goes; of a guest that has moved every node has a part, and the sum is the whole.

import { ipv6Number, macOfSelfMade } from '../../common/addresses/ipv6-address.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Binding, OverlayMember } from '../../wire/contracts/sdnd.ts';
import type {
  AgentFigures,
  NetworkFigures,
  PairTraffic,
  SentFigures,
  SwitchFigures,
} from '../../wire/contracts/traffic.ts';
import { tenantOf } from '../forwarding/view.ts';

/** A node's agent reads its counters in milliseconds; nobody waits longer for one that is away. */
const AGENT_TIMEOUT_MS = 4_000;

export interface NetworkFiguresParts {
  readonly members: () => readonly OverlayMember[];
  readonly bindings: () => Iterable<Binding>;
  readonly switches: () => readonly Omit<SwitchFigures, 'packetIns'>[];
  readonly ask: (member: OverlayMember, timeoutMs: number) => Promise<AgentFigures>;
  readonly log: Log;
}

/** Asks every agent. Never fails for one that is away. */
export async function gatherFigures(parts: NetworkFiguresParts): Promise<NetworkFigures> {
  const answers = new Map<string, AgentFigures>();
  const unreachable: string[] = [];
  await Promise.all(
    parts.members().map(async (member) => {
      try {
        answers.set(member.node, await parts.ask(member, AGENT_TIMEOUT_MS));
      } catch (error) {
        parts.log.info({ node: member.node, reason: messageOf(error) }, 'what its agent counted is not known now');
        unreachable.push(member.node);
      }
    }),
  );
  const sent = [...answers.values()].flatMap((one) => one.sent);
  const switches = parts.switches().map((one) => ({ ...one, packetIns: answers.get(one.node)?.packetIns ?? null }));
  return { switches, pairs: pairsOf(sent, parts.bindings()), unreachable: unreachable.sort() };
}

/** By who has the receiver's address now, in the sender's network; the busiest first. Pure. */
export function pairsOf(sent: readonly SentFigures[], bindings: Iterable<Binding>): PairTraffic[] {
  const known = [...bindings];
  const tenants = new Map(known.map((binding) => [binding.owner, tenantOf(binding)]));
  const owners = new Map(
    known.flatMap((binding) => [binding.ip, binding.mac].map((at) => [`${tenantOf(binding)} ${at}`, binding.owner])),
  );
  const pairs = new Map<string, PairTraffic>();
  for (const { owner: from, to: address, bytes, frames } of sent) {
    const to = owners.get(`${tenants.get(from)} ${receiverOf(address)}`) ?? null;
    const key = `${from} ${to}`;
    const sum = pairs.get(key);
    pairs.set(key, { from, to, bytes: bytes + (sum?.bytes ?? 0), frames: frames + (sum?.frames ?? 0) });
  }
  return [...pairs.values()].sort((a, b) => b.bytes - a.bytes || (a.from < b.from ? -1 : 1));
}

/** By an IPv6 address its guest's MAC address, from which it follows; whatever else was counted by is told as it is. */
function receiverOf(address: string): string {
  const number = ipv6Number(address);
  return number === undefined ? address : macOfSelfMade(number);
}
