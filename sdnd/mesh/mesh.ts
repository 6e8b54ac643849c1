// The graph of switches: who has a tunnel to whom, and by which gateways the others are reached, on the shortest paths by
// latency (Dijkstra; TOCS 2017, 3.3.1). Pure; a mesh never changes, another one takes its place.
import type { MeshNode, Tunnel } from './underlay.ts';
import { tunnelBetween, tunnelPortOf } from './underlay.ts';

/** What is known of the link between two nodes. */
export interface Link {
  readonly a: string;
  readonly b: string;
  /** One way, ms; undefined: nothing gets through. */
  readonly latencyMs: number | undefined;
}

/** Of a link that nobody has measured, ms: as between continents, so that measured ways are taken first. */
const UNMEASURED_MS = 100;
/** What sending on costs, ms: of two ways that take equally long the one with fewer tunnels is taken. */
const GATEWAY_MS = 0.5;

/** The way to one node from all that reach it. */
interface Tree {
  /** By node: the next one on the way. */
  readonly next: ReadonlyMap<string, string>;
}

export class Mesh {
  readonly #nodes: ReadonlyMap<string, MeshNode>;
  /** Who sends on what is not for its own guests. */
  readonly gateways: readonly string[];
  readonly #links = new Map<string, number | undefined>();
  readonly #trees = new Map<string, Tree>();
  readonly #relays = new Map<string, readonly (readonly string[])[]>();
  #longest: number | undefined;

  constructor(nodes: readonly MeshNode[], links: readonly Link[] = []) {
    this.#nodes = new Map(nodes.map((one) => [one.node, one]));
    this.gateways = nodes.filter(({ isGateway }) => isGateway === true).map(({ node }) => node);
    for (const { a, b, latencyMs } of links) this.#links.set(linkName(a, b), latencyMs);
  }

  get nodes(): readonly MeshNode[] {
    return [...this.#nodes.values()];
  }

  has(node: string): boolean {
    return this.#nodes.has(node);
  }

  isGateway(node: string): boolean {
    return this.#nodes.get(node)?.isGateway === true;
  }

  /** The names of a node's tunnel ports. */
  portsOf(node: string): readonly string[] {
    return [...new Set((this.#nodes.get(node)?.feet ?? []).map(tunnelPortOf))];
  }

  /** The tunnel from one node to the other; undefined when there is none. */
  tunnel(from: string, to: string): Tunnel | undefined {
    const [near, far] = [this.#nodes.get(from), this.#nodes.get(to)];
    return near === undefined || far === undefined || from === to ? undefined : tunnelBetween(near, far);
  }

  /** The nodes on the way after the first, the last included; empty when there is no way. */
  path(from: string, to: string): readonly string[] {
    if (this.gateways.length === 0) return this.#latency(from, to) === undefined ? [] : [to];
    const { next } = this.#treeTo(to);
    const path: string[] = [];
    for (let at = next.get(from); at !== undefined; at = next.get(at)) path.push(at);
    return path;
  }

  /**
   * The gateways by which what goes between two nodes without a tunnel may go: by one, or where none has tunnels to both by
   * two. Each of these ways can take the others' place. None where there is a tunnel.
   */
  relays(from: string, to: string): readonly (readonly string[])[] {
    if (this.gateways.length === 0 || from === to || this.#latency(from, to) !== undefined) return [];
    const key = `${from} ${to}`;
    const known = this.#relays.get(key) ?? this.#relaysBetween(from, to);
    this.#relays.set(key, known);
    return known;
  }

  /** Tunnels on the longest of all these paths. */
  get longest(): number {
    if (this.gateways.length === 0) return 1;
    this.#longest ??= this.nodes.reduce((longest, { node: to }) => {
      return this.nodes.reduce((most, { node }) => Math.max(most, this.path(node, to).length), longest);
    }, 0);
    return this.#longest;
  }

  #relaysBetween(from: string, to: string): readonly (readonly string[])[] {
    const isLink = (a: string, b: string): boolean => this.#latency(a, b) !== undefined;
    const first = this.gateways.filter((gateway) => isLink(from, gateway));
    const last = this.gateways.filter((gateway) => isLink(gateway, to));
    const single = first.filter((gateway) => last.includes(gateway));
    if (single.length > 0) return single.map((gateway) => [gateway]);
    return first.flatMap((near) => last.filter((far) => isLink(near, far)).map((far) => [near, far]));
  }

  #treeTo(to: string): Tree {
    const known = this.#trees.get(to);
    if (known !== undefined) return known;
    const tree = this.#nodes.has(to) ? this.#search(to) : { next: new Map<string, string>() };
    this.#trees.set(to, tree);
    return tree;
  }

  // From the destination outwards; only gateways lead on, so of a thousand nodes a few are looked at in full.
  #search(to: string): Tree {
    const costs = new Map([[to, 0]]);
    const next = new Map<string, string>();
    const open = new Set([to]);
    const done = new Set<string>();
    for (let at = cheapest(open, costs); at !== undefined; at = cheapest(open, costs)) {
      open.delete(at);
      done.add(at);
      const sofar = (costs.get(at) ?? 0) + (at === to ? 0 : GATEWAY_MS);
      for (const { node } of this.nodes) {
        const cost = done.has(node) ? undefined : this.#latency(node, at);
        if (cost === undefined || sofar + cost >= (costs.get(node) ?? Number.POSITIVE_INFINITY)) continue;
        costs.set(node, sofar + cost);
        next.set(node, at);
        if (this.isGateway(node)) open.add(node);
      }
    }
    return { next };
  }

  #latency(a: string, b: string): number | undefined {
    const name = linkName(a, b);
    if (this.#links.has(name) && this.#links.get(name) === undefined) return undefined;
    return this.tunnel(a, b) === undefined ? undefined : (this.#links.get(name) ?? UNMEASURED_MS);
  }
}

function linkName(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

// Of two that cost the same the first by name, so that everybody goes the same way.
function cheapest(open: ReadonlySet<string>, costs: ReadonlyMap<string, number>): string | undefined {
  const cost = (node: string): number => costs.get(node) ?? Number.POSITIVE_INFINITY;
  return [...open].sort((a, b) => cost(a) - cost(b) || (a < b ? -1 : 1))[0];
}
