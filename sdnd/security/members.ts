// Who is in a security group. Pure.
import type { SecurityGroup } from '../../wire/contracts/security-groups.ts';

export function memberNames(groups: readonly SecurityGroup[]): ReadonlySet<string> {
  return new Set(groups.flatMap(({ members }) => members));
}
