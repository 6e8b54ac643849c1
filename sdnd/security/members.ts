// Who is in which security groups. Pure.
import type { SecurityGroup } from '../../wire/contracts/security-groups.ts';

export interface Membership {
  /** Whether a guest is in any. */
  has(owner: string): boolean;
  readonly size: number;
  /** The groups that a guest is in. */
  of(owner: string): readonly SecurityGroup[];
  /** The members of a group; none of one that there is not. */
  membersOf(group: string): readonly string[];
}

export function membership(groups: readonly SecurityGroup[]): Membership {
  const made = known.get(groups) ?? membershipOf(groups);
  known.set(groups, made);
  return made;
}

/** The groups that are told are one list for all switches, until others are told. */
const known = new WeakMap<readonly SecurityGroup[], Membership>();

function membershipOf(groups: readonly SecurityGroup[]): Membership {
  const byOwner = new Map<string, SecurityGroup[]>();
  for (const group of groups) {
    for (const owner of new Set(group.members)) {
      const there = byOwner.get(owner);
      if (there === undefined) byOwner.set(owner, [group]);
      else there.push(group);
    }
  }
  const byName = new Map(groups.map(({ name, members }) => [name, members]));
  return {
    has: (owner) => byOwner.has(owner),
    size: byOwner.size,
    of: (owner) => byOwner.get(owner) ?? [],
    membersOf: (group) => byName.get(group) ?? [],
  };
}
