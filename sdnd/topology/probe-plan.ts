// Whom each node is to probe, computed from the members and from who is where. What a node has to do, and its switch to hold, for
// that grows with the networks that it has and not with the nodes that there are (SOUNDNESS C2, C10): of many in its networks
// some are close and the others far, of all the rest it probes a few. Both ends of a link decide alike. Pure.
import { ipv4Text } from '@openflow/ofp';
import type { ProbePeer } from '../../wire/contracts/topology.ts';
import type { OverlayView } from '../forwarding/view.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { TUNNEL_PORT_NAME } from '../pipeline.ts';

/** By node: other nodes. */
export type Neighbours = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Close ones of a node, those by gateways not counted: at five probes in two seconds each way some 320 frames a second, two or
 * three hundredths of a processor. A node that has six networks over thirty nodes each shares one with 160.
 */
export const CLOSE_MAX = 64;
/**
 * Of nodes with which it shares no network it probes so many on either side in a ring of all: enough that the latencies of any
 * two are known over one or two others, and one that comes or goes changes whom these few probe.
 */
export const RING_REACH = 8;

type Guests = Pick<OverlayView['guests'], 'tenants' | 'tenantsAt' | 'nodesOf'>;

/** Nodes with which each one shares a network: some tenant has guests at both, may have in a moment, or had a moment ago. */
export function sharingNodes(guests: Guests): Neighbours {
  const shared = new Map<string, Set<string>>();
  for (const tenant of guests.tenants) {
    const nodes = guests.nodesOf(tenant);
    for (const one of nodes) for (const other of nodes) add(shared, one, other);
  }
  return shared;
}

/** Of one moment: as long as neither the mesh nor who has a network where is another. */
export class ProbePlan {
  readonly #mesh: Mesh;
  readonly #guests: Guests;
  readonly #ring: readonly string[];
  readonly #places: ReadonlyMap<string, number>;
  readonly #first = new Map<string, ReadonlySet<string>>();
  #crossed: Neighbours | undefined;

  constructor(mesh: Mesh, guests: Guests) {
    this.#mesh = mesh;
    this.#guests = guests;
    this.#ring = mesh.nodes.map(({ node }) => node).sort((a, b) => hash(a) - hash(b) || (a < b ? -1 : 1));
    this.#places = new Map(this.#ring.map((node, place) => [node, place]));
  }

  /** By name in order; with all of them the node has a tunnel of its own. */
  peersOf(node: string): ProbePeer[] {
    const wanted = this.#wanted(node);
    const others = new Set([...wanted, ...this.#ringOf(node), ...this.#gatewaysOf(node)]);
    return [...others].sort().flatMap((other) => {
      const tunnel = this.#mesh.tunnel(node, other);
      if (tunnel === undefined) return [];
      const isClose = wanted.has(other) && this.isClose(node, other);
      const port = tunnel.port === TUNNEL_PORT_NAME ? {} : { port: tunnel.port };
      return [{ node: other, address: ipv4Text(tunnel.destination), ...port, isClose }];
    });
  }

  /** Nodes to which frames between guests go from here, or would if that were the quicker way. */
  #wanted(node: string): ReadonlySet<string> {
    if (this.#mesh.gateways.length === 0) return this.#sharing(node);
    this.#crossed ??= crossedLinks(this.#mesh, sharingNodes(this.#guests));
    return this.#crossed.get(node) ?? new Set();
  }

  #sharing(node: string): ReadonlySet<string> {
    const tenants = [...this.#guests.tenantsAt(node)];
    const nodes = new Set(tenants.flatMap((tenant) => [...this.#guests.nodesOf(tenant)]));
    nodes.delete(node);
    return nodes;
  }

  /** Of two whose guests' frames cross the link between them: whether they probe it often. On a gateway many depend. */
  isClose(one: string, other: string): boolean {
    if (this.#mesh.isGateway(one) || this.#mesh.isGateway(other)) return true;
    return this.#firstOf(one).has(other) && this.#firstOf(other).has(one);
  }

  // By what is drawn from both names: of one that comes each end lets go of one other at the most.
  #firstOf(node: string): ReadonlySet<string> {
    const known = this.#first.get(node);
    if (known !== undefined) return known;
    const others = [...this.#wanted(node)].filter((other) => !this.#mesh.isGateway(other));
    const ranked = others.map((other) => ({ other, rank: hash(inOrder(node, other)) }));
    const first = ranked.sort((a, b) => a.rank - b.rank || (a.other < b.other ? -1 : 1)).slice(0, CLOSE_MAX);
    const names = new Set(first.map(({ other }) => other));
    this.#first.set(node, names);
    return names;
  }

  #ringOf(node: string): string[] {
    const [place, size] = [this.#places.get(node), this.#ring.length];
    if (place === undefined) return [];
    const reach = Math.min(RING_REACH, size - 1);
    const steps = Array.from({ length: reach }, (_, index) => index + 1);
    const others = steps.flatMap((step) => [
      this.#ring[(place + step) % size],
      this.#ring[(place - step + size) % size],
    ]);
    return others.flatMap((other) => (other === undefined || other === node ? [] : [other]));
  }

  // Which gateway is the quicker way is known only where both are measured.
  #gatewaysOf(node: string): readonly string[] {
    return this.#mesh.isGateway(node) ? this.#ring.filter((other) => other !== node) : this.#mesh.gateways;
  }
}

/** Links that frames between guests cross now, or would if they were the quicker way. */
function crossedLinks(mesh: Mesh, sharing: Neighbours): Neighbours {
  const crossed = new Map<string, Set<string>>();
  for (const [from, others] of sharing) {
    for (const to of others) {
      const relayed = mesh.relays(from, to).map((gateways) => [...gateways, to]);
      for (const path of [mesh.path(from, to), ...relayed]) addPath(crossed, from, path);
      add(crossed, from, to);
    }
  }
  return crossed;
}

function addPath(crossed: Map<string, Set<string>>, from: string, path: readonly string[]): void {
  let at = from;
  for (const next of path) {
    add(crossed, at, next);
    add(crossed, next, at);
    at = next;
  }
}

function add(neighbours: Map<string, Set<string>>, one: string, other: string): void {
  if (one === other) return;
  const known = neighbours.get(one);
  if (known === undefined) neighbours.set(one, new Set([other]));
  else known.add(other);
}

function inOrder(one: string, other: string): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}

/** FNV-1a, 32 bits, and its bits mixed once more: names that differ in their last letter are to lie far apart. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}
