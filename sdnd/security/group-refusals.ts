// Why security groups are refused: before they are kept, since flows are computed from what is.
import { OperationError } from '../../common/errors.ts';
import { checkRule } from '../../common/security-rules.ts';
import type { SecurityGroup } from '../../wire/contracts/security-groups.ts';

/** @throws OperationError RULE_BAD, GROUP_UNKNOWN; GROUP_EXISTS: two of one name */
export function checkGroups(groups: readonly SecurityGroup[]): void {
  const names = new Set<string>();
  for (const { name } of groups) {
    if (names.has(name)) throw new OperationError('GROUP_EXISTS', `two security groups are named ${name}`);
    names.add(name);
  }
  for (const { rules } of groups) for (const rule of rules) checkRule(rule, names);
}
