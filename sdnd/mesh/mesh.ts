// The graph of switches: who has a tunnel to whom, and by which gateways the others are reached, on the shortest paths by
// latency (Dijkstra; TOCS 2017, 3.3.1). Pure; a mesh never changes, another one takes its place.
import { longestWay } from './longest-way.ts';
import type { MeshNode, Tunnel } from './underlay.ts';
import { isTunnelBetween, tunnelBetween, tunnelPortOf } from './underlay.ts';
import { type Graph, type WaysTo, waysTo } from './ways-to.ts';

/** What is known of the link between two nodes. */
export interface Link {
  readonly a: string;
  readonly b: string;
  /** One way, ms; undefined: nothing gets through. */
  readonly latencyMs: number | undefined;
}

/** Of a link that nobody has measured, ms: as between continents, so that measured ways are taken first. */
const UNMEASURED_MS = 100;

export class Mesh {
  readonly #nodes: ReadonlyMap<string, MeshNode>;
  /** Who sends on what is not for its own guests. */
  readonly gateways: readonly string[];
  readonly #links = new Map<string, number | undefined>();
  readonly #graph: Graph = {
    isGateway: (node) => this.isGateway(node),
    latency: (a, b) => this.#latency(a, b),
  };
  readonly #ways = new Map<string, WaysTo['next']>();
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
    const next = this.#waysTo(to);
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
    this.#longest ??= longestWay([...this.#nodes.keys()], this.gateways, this.#graph);
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

  #waysTo(to: string): WaysTo['next'] {
    const known = this.#ways.get(to);
    if (known !== undefined) return known;
    const ways = this.#nodes.has(to)
      ? waysTo(to, [...this.#nodes.keys()], this.#graph).next
      : new Map<string, string>();
    this.#ways.set(to, ways);
    return ways;
  }

  #latency(a: string, b: string): number | undefined {
    const [near, far] = [this.#nodes.get(a), this.#nodes.get(b)];
    if (near === undefined || far === undefined || a === b || !isTunnelBetween(near, far)) return undefined;
    const name = linkName(a, b);
    return this.#links.get(name) ?? (this.#links.has(name) ? undefined : UNMEASURED_MS);
  }
}

function linkName(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
