// Where a node's tunnels can begin and end: its feet in underlay networks, and how one node sends to another directly. Pure.
import { ipv4 } from '@openflow/ofp';
import type { Foot, OverlayMember } from '../../wire/contracts/sdnd.ts';
import { TUNNEL_PORT_NAME } from '../pipeline.ts';

/** A node as the mesh knows it. */
export interface MeshNode extends Omit<OverlayMember, 'address' | 'feet'> {
  readonly feet: readonly Foot[];
}

/** A tunnel from one node to another. */
export interface Tunnel {
  /** The names of the two ports. */
  readonly port: string;
  readonly farPort: string;
  /** Where the frame is sent, and where from it seems to come, as numbers. */
  readonly destination: number;
  readonly source: number;
}

/** The tunnel between two nodes; undefined when neither reaches the other. A tunnel there is one back too. */
export function tunnelBetween(from: MeshNode, to: MeshNode): Tunnel | undefined {
  const shared = sharedFeet(from, to);
  if (shared !== undefined) return tunnel(shared.near, shared.far, shared.near.inner, shared.far.inner);
  if (!asks(from, to) || !asks(to, from)) return undefined;
  const [near, far] = [outsideFoot(from), outsideFoot(to)];
  if (near?.outer === undefined || far?.outer === undefined) return undefined;
  return tunnel(near, far, near.outer, far.outer);
}

/** Whether there is one; asked of all pairs, for which it is not made each time. */
export function isTunnelBetween(from: MeshNode, to: MeshNode): boolean {
  const isShared = from.feet.some(({ underlay }) => to.feet.some((far) => far.underlay === underlay));
  if (isShared) return true;
  return asks(from, to) && asks(to, from) && outsideFoot(from) !== undefined && outsideFoot(to) !== undefined;
}

/** The name of the tunnel port for an underlay. */
export function tunnelPortOf({ port }: Foot): string {
  return port ?? TUNNEL_PORT_NAME;
}

// The same for both, so that each knows what the other sends from.
function sharedFeet(from: MeshNode, to: MeshNode): { near: Foot; far: Foot } | undefined {
  const pairs = from.feet.flatMap((near) => {
    const far = to.feet.find(({ underlay }) => underlay === near.underlay);
    return far === undefined ? [] : [{ near, far }];
  });
  return pairs.sort((a, b) => (a.near.underlay < b.near.underlay ? -1 : 1))[0];
}

function outsideFoot({ feet }: MeshNode): Foot | undefined {
  return feet.find(({ outer }) => outer !== undefined);
}

function asks({ relays }: MeshNode, other: MeshNode): boolean {
  return relays === undefined || relays.includes(other.node);
}

function tunnel(near: Foot, far: Foot, source: string, destination: string): Tunnel {
  return {
    port: tunnelPortOf(near),
    farPort: tunnelPortOf(far),
    source: ipv4(source),
    destination: ipv4(destination),
  };
}
