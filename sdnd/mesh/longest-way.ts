// How many tunnels the longest of all ways in a mesh has. Ways are searched for among gateways alone: of each other node only its
// own tunnels are looked at, and only as long as a way from there could be longer than one that is known. Pure.
import { type Graph, waysTo } from './ways-to.ts';

/** What a way costs, and how many tunnels it has. */
interface Way {
  readonly costMs: number;
  readonly tunnels: number;
}

/** By gateway. */
type Relays = ReadonlyMap<string, Way>;

const NO_WAY: Way = { costMs: Number.POSITIVE_INFINITY, tunnels: 0 };

/** The same as of the ways between any two, each of them searched for. */
export function longestWay(nodes: readonly string[], gateways: readonly string[], graph: Graph): number {
  const tunnels = new Map(
    gateways.map((gateway) => [gateway, new Map(nodes.map((node) => [node, graph.latency(node, gateway)]))]),
  );
  const others = nodes.filter((node) => !graph.isGateway(node));
  let longest = 0;
  for (const to of nodes) {
    const relays = relaysTo(to, gateways, graph);
    const furthest = Math.max(0, ...[...relays.values()].map((way) => way.tunnels));
    longest = Math.max(longest, furthest);
    for (const from of others) {
      // From nowhere it is more than one tunnel to the furthest gateway.
      if (longest > furthest) break;
      if (from === to) continue;
      const relayed = quickest(relays, (gateway) => tunnels.get(gateway)?.get(from));
      // A tunnel of their own is no longer way than any that is known.
      if (longest > 0 && relayed.tunnels <= longest) continue;
      const directMs = graph.latency(from, to);
      longest = Math.max(longest, directMs !== undefined && directMs <= relayed.costMs ? 1 : relayed.tunnels);
    }
  }
  return longest;
}

/** The ways to a node from the gateways that reach it, itself left out, with what sending on there costs. */
function relaysTo(to: string, gateways: readonly string[], graph: Graph): Relays {
  const { next, ahead } = waysTo(to, gateways, graph);
  const relays = new Map<string, Way>();
  for (const [gateway, costMs] of ahead) {
    // Who is next was ahead before.
    const rest = relays.get(next.get(gateway) ?? '')?.tunnels ?? 0;
    if (gateway !== to) relays.set(gateway, { costMs, tunnels: rest + 1 });
  }
  return relays;
}

/** The first of the quickest ways over one of them. */
function quickest(relays: Relays, latencyTo: (gateway: string) => number | undefined): Way {
  let best = NO_WAY;
  for (const [gateway, { costMs, tunnels }] of relays) {
    const latencyMs = latencyTo(gateway);
    if (latencyMs !== undefined && costMs + latencyMs < best.costMs)
      best = { costMs: costMs + latencyMs, tunnels: tunnels + 1 };
  }
  return best;
}
