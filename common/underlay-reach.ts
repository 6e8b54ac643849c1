// How one node of the encrypted underlay reaches another: straight, or through a member that both can reach where neither can be
// sent to (SOUNDNESS C7). Pure: every node and the orchestrator come to the same.

/** What decides it. */
export interface Reachable {
  readonly node: string;
  readonly cloud: string;
  /** Where nodes of other clouds send to; undefined: nobody outside of its cloud can. */
  readonly outer?: unknown;
}

/** One of the two can be sent to by the other. */
export function isDirect(one: Reachable, other: Reachable): boolean {
  return one.cloud === other.cloud || one.outer !== undefined || other.outer !== undefined;
}

/**
 * Answers by whom two members are relayed; undefined where they reach each other, and where nobody can. Those that are `away`
 * relay nothing, unless all are. By the highest of the numbers that a pair has with each relay (rendezvous hashing): both ends
 * come to the same one, and when a relay goes or comes no other one's pairs change.
 */
export function relaying(
  members: readonly Reachable[],
  away: readonly string[] = [],
): (from: Reachable, to: Reachable) => string | undefined {
  const all = members.filter(({ outer }) => outer !== undefined).map(({ node }) => node);
  const there = all.filter((node) => !away.includes(node));
  const named = (there.length === 0 ? all : there).toSorted();
  const relays = named.map((node) => ({ node, hash: hashOf(node) }));
  return (from, to) => {
    if (isDirect(from, to)) return undefined;
    const pair = hashOf([from.node, to.node].sort().join(' '));
    let best: { readonly node: string; readonly score: number } | undefined;
    for (const { node, hash } of relays) {
      const score = mixed(pair ^ hash);
      if (best === undefined || score > best.score) best = { node, score };
    }
    return best?.node;
  };
}

/** FNV-1a of the letters, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

/** Each bit of it hangs on all bits of the number (the end of MurmurHash3). */
function mixed(number: number): number {
  let bits = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
