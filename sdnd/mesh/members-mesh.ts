// The mesh that the members and the measured links make. Pure.
import type { MeshLink, OverlayMember } from '../../wire/contracts/sdnd.ts';
import { Mesh } from './mesh.ts';

const COMMON_UNDERLAY = 'mesh';

/** Members that say nothing of their underlay are all in one. */
export function meshOf(members: readonly OverlayMember[], links: readonly MeshLink[]): Mesh {
  const nodes = members.map(({ address, feet, ...member }) => ({
    ...member,
    feet: feet ?? [{ underlay: COMMON_UNDERLAY, inner: address }],
  }));
  return new Mesh(
    nodes,
    links.map(({ a, b, latencyMs }) => ({ a, b, latencyMs: latencyMs ?? undefined })),
  );
}
