// Whom each node is to probe, computed from the members and from who is where. Pure.
import { ipv4Text } from '@openflow/ofp';
import type { ProbePeer } from '../../wire/contracts/topology.ts';
import { type OverlayView, tenantOf } from '../forwarding/view.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { TUNNEL_PORT_NAME } from '../pipeline.ts';

/** By node: other nodes. */
export type Neighbours = ReadonlyMap<string, ReadonlySet<string>>;

/** Nodes with which each one shares a network: some tenant has guests at both, or may have in a moment. */
export function sharingNodes({ bindings, preparations }: Pick<OverlayView, 'bindings' | 'preparations'>): Neighbours {
  const byTenant = new Map<number, Set<string>>();
  for (const binding of [...bindings.values(), ...preparations.values()]) {
    const tenant = tenantOf(binding);
    byTenant.set(tenant, (byTenant.get(tenant) ?? new Set()).add(binding.node));
  }
  const shared = new Map<string, Set<string>>();
  for (const nodes of byTenant.values()) for (const one of nodes) for (const other of nodes) add(shared, one, other);
  return shared;
}

/** Nodes with which each one has a link that frames between guests cross now, or would if it were the quicker way. */
export function closeNodes(mesh: Mesh, sharing: Neighbours): Neighbours {
  const close = new Map<string, Set<string>>();
  for (const [from, others] of sharing) {
    for (const to of others) {
      const relayed = mesh.relays(from, to).map((gateways) => [...gateways, to]);
      for (const path of [mesh.path(from, to), ...relayed]) addPath(close, from, path);
      add(close, from, to);
    }
  }
  return close;
}

function addPath(close: Map<string, Set<string>>, from: string, path: readonly string[]): void {
  let at = from;
  for (const next of path) {
    add(close, at, next);
    add(close, next, at);
    at = next;
  }
}

/** The members with which a node has a tunnel of its own. */
export function probePeers(mesh: Mesh, node: string, close: Neighbours): ProbePeer[] {
  return mesh.nodes.flatMap(({ node: other }) => {
    const tunnel = mesh.tunnel(node, other);
    if (tunnel === undefined) return [];
    const isClose = close.get(node)?.has(other) === true;
    const port = tunnel.port === TUNNEL_PORT_NAME ? {} : { port: tunnel.port };
    return [{ node: other, address: ipv4Text(tunnel.destination), ...port, isClose }];
  });
}

function add(neighbours: Map<string, Set<string>>, one: string, other: string): void {
  if (one !== other) neighbours.set(one, (neighbours.get(one) ?? new Set()).add(other));
}
