// What is told as a whole, and the record that it leads to: none when it is known already. Pure.
import { isDeepStrictEqual } from 'node:util';
import type { GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import type { MeshLink, OverlayMember } from '../../wire/contracts/sdnd.ts';
import type { OverlayRecord } from './overlay-record.ts';
import { checkNetworks } from './overlay-refusals.ts';

/** In any order. */
export function membersRecord(
  members: readonly OverlayMember[],
  known: readonly OverlayMember[],
): OverlayRecord | undefined {
  return isDeepStrictEqual(byNode(members), byNode(known)) ? undefined : { kind: 'members', members: [...members] };
}

/** @throws OperationError of networks that cannot be */
export function networksRecord(
  networks: readonly GuestNetworkPlan[],
  known: readonly GuestNetworkPlan[],
): OverlayRecord | undefined {
  checkNetworks(networks);
  return isDeepStrictEqual(networks, known) ? undefined : { kind: 'networks', networks: [...networks] };
}

export function linksRecord(links: readonly MeshLink[], known: readonly MeshLink[]): OverlayRecord | undefined {
  return isDeepStrictEqual(links, known) ? undefined : { kind: 'links', links: [...links] };
}

function byNode(members: readonly OverlayMember[]): OverlayMember[] {
  return members.toSorted((a, b) => (a.node < b.node ? -1 : 1));
}
