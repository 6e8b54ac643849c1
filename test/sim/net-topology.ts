// The underlay of a simulated network: who gets a frame that a node sends into one of its tunnels, by the rules of the
// networks themselves and not by the mesh's. Two clouds with 1:1 NAT, a private network behind one gateway or two, another
// one behind that, and a node that nothing reaches unasked.
import { ipv4 } from '@openflow/ofp';
import type { Foot, OverlayMember } from '../../wire/contracts/sdnd.ts';
import type { Arrival } from './net-walk.ts';
import type { Prng } from './prng.ts';

/** The tunnel ports' names, in the order of a node's feet; their numbers count from 1. */
const TUNNEL_PORTS = ['vxlan0', 'vxlan1', 'vxlan2'];

interface Standing {
  readonly member: OverlayMember;
  readonly feet: readonly Foot[];
}

export class NetTopology {
  readonly members: readonly OverlayMember[];
  readonly #standings: ReadonlyMap<string, Standing>;
  /** Pairs of nodes between which nothing gets through. */
  readonly down = new Set<string>();

  constructor(members: readonly OverlayMember[]) {
    this.members = members;
    const standing = (member: OverlayMember): Standing => {
      return { member, feet: member.feet ?? [{ underlay: 'only', inner: member.address }] };
    };
    this.#standings = new Map(members.map((member) => [member.node, standing(member)]));
  }

  isGateway(node: string): boolean {
    return this.#at(node).member.isGateway === true;
  }

  /** A node's tunnel ports by name. */
  tunnelPorts(node: string): Map<string, number> {
    return new Map(this.#at(node).feet.map((_, index) => [TUNNEL_PORTS[index] ?? '', index + 1]));
  }

  /** Where a frame comes out that a node sends by a port to an address; undefined when the port is no tunnel's. */
  send(from: string, portNo: number, address: number): (Omit<Arrival, 'at'> & { node: string }) | 'lost' | undefined {
    const foot = this.#at(from).feet[portNo - 1];
    if (foot === undefined) return undefined;
    for (const [node, { member, feet }] of this.#standings) {
      if (node === from || this.down.has(pairOf(from, node))) continue;
      const inner = feet.findIndex((one) => one.underlay === foot.underlay && ipv4(one.inner) === address);
      if (inner >= 0) return { node, portNo: inner + 1, source: ipv4(foot.inner) };
      const outer = feet.findIndex((one) => one.outer !== undefined && ipv4(one.outer) === address);
      const isAsked = member.relays === undefined || member.relays.includes(from);
      if (outer >= 0 && foot.outer !== undefined && isAsked)
        return { node, portNo: outer + 1, source: ipv4(foot.outer) };
    }
    return 'lost';
  }

  /** How a node's frames can come in at another, by whatever address. */
  arrivals(from: string, to: string): Omit<Arrival, 'at'>[] {
    const addresses = this.#at(to).feet.flatMap(({ inner, outer }) => (outer === undefined ? [inner] : [inner, outer]));
    return this.#at(from).feet.flatMap((_, index) =>
      addresses.flatMap((address) => {
        const arrival = this.send(from, index + 1, ipv4(address));
        return typeof arrival === 'object' && arrival.node === to ? [arrival] : [];
      }),
    );
  }

  /** Whether there is a way from one node to the other, over gateways. */
  isConnected(from: string, to: string): boolean {
    const seen = new Set([from]);
    const open = [from];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (at === to) return true;
      if (at !== from && !this.isGateway(at)) continue;
      for (const node of this.#standings.keys()) {
        if (seen.has(node) || !this.#isLinked(at, node)) continue;
        seen.add(node);
        open.push(node);
      }
    }
    return false;
  }

  #isLinked(a: string, b: string): boolean {
    return this.arrivals(a, b).length > 0 && this.arrivals(b, a).length > 0;
  }

  #at(node: string): Standing {
    const found = this.#standings.get(node);
    if (found === undefined) throw new Error(`there is no node ${node}`);
    return found;
  }
}

export function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

/** Where every switch stands. */
export function drawTopology(draw: Prng): NetTopology {
  return new NetTopology(draw.chance(0.4) ? fullMesh(2 + draw.integer(4)) : withGateways(draw));
}

function fullMesh(count: number): OverlayMember[] {
  return Array.from({ length: count }, (_, index) => ({ node: `n${index}`, address: `10.77.0.${index + 1}` }));
}

function withGateways(draw: Prng): OverlayMember[] {
  const isDoubled = draw.chance(0.5);
  const members = [
    memberOf(0, [cloudFoot('east', 0), foot('private', 0)], { isGateway: true }),
    isDoubled
      ? memberOf(1, [cloudFoot('west', 1), foot('private', 1)], { isGateway: true })
      : memberOf(1, [cloudFoot(draw.chance(0.5) ? 'east' : 'west', 1)]),
    memberOf(2, [foot('private', 2), foot('nested', 2)], { isGateway: true }),
    memberOf(3, [foot(draw.chance(0.7) ? 'nested' : 'private', 3)]),
    memberOf(4, [cloudFoot('west', 4)], draw.chance(0.5) ? { relays: ['n0'] } : {}),
  ];
  return draw.chance(0.5) ? members : members.slice(0, 4);
}

function memberOf(index: number, feet: readonly Foot[], more: Partial<OverlayMember> = {}): OverlayMember {
  const named = feet.map((one, at) => ({ ...one, port: TUNNEL_PORTS[at] ?? '' }));
  return { node: `n${index}`, address: named[0]?.inner ?? '', feet: named, ...more };
}

// The same inner addresses in every network, as providers give them.
function foot(underlay: string, index: number): Foot {
  return { underlay, inner: `10.0.0.${index + 1}` };
}

function cloudFoot(underlay: string, index: number): Foot {
  return { ...foot(underlay, index), outer: `192.0.2.${index + 1}` };
}
