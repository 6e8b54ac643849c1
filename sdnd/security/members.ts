// Who is in a security group. Pure.
import type { SecurityGroup } from '../../wire/contracts/security-groups.ts';

export function memberNames(groups: readonly SecurityGroup[]): ReadonlySet<string> {
  const names = known.get(groups) ?? new Set(groups.flatMap(({ members }) => members));
  known.set(groups, names);
  return names;
}

/** The groups that are told are one list for all switches, until others are told. */
const known = new WeakMap<readonly SecurityGroup[], ReadonlySet<string>>();
