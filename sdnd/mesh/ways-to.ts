// The ways to one node from others, the quickest of each: from the destination outwards, and only gateways lead on, so of a thousand
// nodes a few are looked at in full (Dijkstra). Pure.

/** What sending on costs, ms: of two ways that take equally long the one with fewer tunnels is taken. */
const GATEWAY_MS = 0.5;

/** What a search asks of a mesh. */
export interface Graph {
  readonly isGateway: (node: string) => boolean;
  /** Of a tunnel, ms; undefined where there is none, or nothing gets through. */
  readonly latency: (a: string, b: string) => number | undefined;
}

/** The way to one node from all that reach it. */
export interface WaysTo {
  /** By node: the next one on the way. */
  readonly next: ReadonlyMap<string, string>;
  /**
   * Who leads on: the node itself and then gateways, nearest first, each with what the way costs from there, ms. Of equal ways the
   * one over the first of them is taken.
   */
  readonly ahead: ReadonlyMap<string, number>;
}

/** `from`: whose ways are looked for. All gateways are among them. */
export function waysTo(to: string, from: readonly string[], { isGateway, latency }: Graph): WaysTo {
  const costs = new Map([[to, 0]]);
  const next = new Map<string, string>();
  const open = new Set([to]);
  const ahead = new Map<string, number>();
  for (let at = cheapest(open, costs); at !== undefined; at = cheapest(open, costs)) {
    open.delete(at);
    const sofar = (costs.get(at) ?? 0) + (at === to ? 0 : GATEWAY_MS);
    ahead.set(at, sofar);
    for (const node of from) {
      const cost = ahead.has(node) ? undefined : latency(node, at);
      if (cost === undefined || sofar + cost >= (costs.get(node) ?? Number.POSITIVE_INFINITY)) continue;
      costs.set(node, sofar + cost);
      next.set(node, at);
      if (isGateway(node)) open.add(node);
    }
  }
  return { next, ahead };
}

// Of two that cost the same the first by name, so that everybody goes the same way.
function cheapest(open: ReadonlySet<string>, costs: ReadonlyMap<string, number>): string | undefined {
  const cost = (node: string): number => costs.get(node) ?? Number.POSITIVE_INFINITY;
  return [...open].sort((a, b) => cost(a) - cost(b) || (a < b ? -1 : 1))[0];
}
