// What the wanted flows are computed from: the overlay as its controller knows it, and one switch. Shapes only.
import type { GuestNetworkPlan } from '../../wire/contracts/guest-network.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import type { SecurityGroup } from '../../wire/contracts/security-groups.ts';
import type { Mesh } from '../mesh/mesh.ts';
import { TENANT } from '../pipeline.ts';
import type { GuestIndex } from './guest-index.ts';

/** Who is a member and who is where. */
export interface OverlayView {
  /** Raised when the control plane is restored from a backup; 24 bits. */
  readonly incarnation: number;
  /** The members, and how they reach each other. */
  readonly mesh: Mesh;
  /** The tenants' networks; of one that is not among them nobody has said how its guests are routed. */
  readonly networks: readonly GuestNetworkPlan[];
  /** By owner. */
  readonly bindings: ReadonlyMap<string, Binding>;
  /** By owner: where a bound owner may be from one moment to the next, because it migrates. */
  readonly preparations: ReadonlyMap<string, Binding>;
  /** The same by tenant and by node, and where guests were until a moment ago: frames that come late there are sent on. */
  readonly guests: Pick<GuestIndex, 'of' | 'ownersAt' | 'tenants' | 'tenantsAt' | 'tenantOf' | 'nodesOf' | 'revision'>;
  readonly groups: readonly SecurityGroup[];
}

/** One switch: its node and its ports' numbers by name. Another switch, or other ports, are another view. */
export interface SwitchView {
  readonly node: string;
  readonly ports: ReadonlyMap<string, number>;
}

/** The tenant whose network a binding is in. */
export function tenantOf({ tenant }: Binding): number {
  return tenant ?? TENANT;
}
