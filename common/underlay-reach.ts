// How one node of the encrypted underlay reaches another: straight, or through a member that both can reach where neither can be
// sent to (SOUNDNESS C7). Pure: every node and the orchestrator come to the same.

/** What decides it. */
export interface Reachable {
  readonly node: string;
  readonly cloud: string;
  /** Where nodes of other clouds send to; undefined: nobody outside of its cloud can. */
  readonly outer?: unknown;
}

export type Reach = { readonly kind: 'direct' } | { readonly kind: 'relayed'; readonly by: string };

/**
 * Undefined when there is no way: neither can be sent to, and no member that can is known. Those that are `away` relay nothing,
 * unless all are.
 */
export function reach(
  from: Reachable,
  to: Reachable,
  members: readonly Reachable[],
  away: readonly string[] = [],
): Reach | undefined {
  if (isDirect(from, to)) return { kind: 'direct' };
  const all = members.filter(({ outer }) => outer !== undefined).map(({ node }) => node);
  if (all.length === 0) return undefined;
  const there = all.filter((node) => !away.includes(node));
  const relays = there.length === 0 ? all : there;
  // Both ends must name the same one, or each would refuse what comes by the other's.
  const by = relays.toSorted()[sum(from.node, to.node) % relays.length];
  return by === undefined ? undefined : { kind: 'relayed', by };
}

/** By whom the two are relayed; undefined: by nobody. */
export function relayOf(
  from: Reachable,
  to: Reachable,
  members: readonly Reachable[],
  away: readonly string[] = [],
): string | undefined {
  const way = reach(from, to, members, away);
  return way?.kind === 'relayed' ? way.by : undefined;
}

/** One of the two can be sent to by the other. */
export function isDirect(one: Reachable, other: Reachable): boolean {
  return one.cloud === other.cloud || one.outer !== undefined || other.outer !== undefined;
}

/** The same for a pair whichever comes first, and spread over the pairs. */
function sum(one: string, other: string): number {
  return [...one, ...other].reduce((total, letter) => total + (letter.codePointAt(0) ?? 0), 0);
}
