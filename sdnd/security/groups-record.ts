// What a change of the security groups is in the controller's journal.
import { isDeepStrictEqual } from 'node:util';
import { checkGroups } from '../../common/security-rules.ts';
import type { SecurityGroup } from '../../wire/contracts/security-groups.ts';
import type { OverlayRecord } from '../controller/overlay-record.ts';

/** Undefined: they are as before. @throws OperationError RULE_BAD, GROUP_UNKNOWN, GROUP_EXISTS, GROUPS_FULL */
export function groupsRecord(
  groups: readonly SecurityGroup[],
  before: readonly SecurityGroup[],
): OverlayRecord | undefined {
  checkGroups(groups);
  return isDeepStrictEqual(groups, before) ? undefined : { kind: 'groups', groups: [...groups] };
}
