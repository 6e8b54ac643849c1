// The changes of the overlay, as the controller's journal keeps them. Shapes only.
import { Type } from '#typebox';
import { GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import { Binding, MeshLink, OverlayMember } from '../../wire/contracts/sdnd.ts';
import { SecurityGroups } from '../../wire/contracts/security-groups.ts';
import { MigrationId, Name } from '../../wire/names.ts';
import { PastGuest } from './guest-past.ts';

/** One change. */
export const OverlayRecord = Type.Union([
  Type.Object({ kind: Type.Literal('members'), members: Type.Array(OverlayMember) }),
  Type.Object({ kind: Type.Literal('bound'), binding: Binding }),
  Type.Object({ kind: Type.Literal('unbound'), owner: Name }),
  Type.Object({ kind: Type.Literal('prepared'), migration: MigrationId, to: Binding }),
  /** `atMs`: since 1970, where it has just happened. */
  Type.Object({ kind: Type.Literal('completed'), migration: MigrationId, atMs: Type.Optional(Type.Number()) }),
  Type.Object({ kind: Type.Literal('cancelled'), migration: MigrationId }),
  /** All that was measured: what is not among them is not known. */
  Type.Object({ kind: Type.Literal('links'), links: Type.Array(MeshLink) }),
  /** All tenants' networks. */
  Type.Object({ kind: Type.Literal('networks'), networks: Type.Array(GuestNetworkPlan) }),
  /** All security groups. */
  Type.Object({ kind: Type.Literal('groups'), groups: SecurityGroups }),
  /** Addresses that a guest had; kept for switches that still have its flows. */
  Type.Object({ kind: Type.Literal('past'), guest: PastGuest }),
  /** A controller began to speak to switches under this term. */
  Type.Object({ kind: Type.Literal('term'), term: Type.Integer({ minimum: 1 }) }),
]);
export type OverlayRecord = Type.Static<typeof OverlayRecord>;
