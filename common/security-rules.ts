// Which security groups there can be: asked by the orchestrator before it keeps one, and by the overlay's controller before it
// computes flows from those that it is told. Both ask here, so that none is kept of which flows cannot be made.
import { GROUP_MEMBERSHIPS_MAX, type SecurityGroup, type SecurityRule } from '../wire/contracts/security-groups.ts';
import { addressPrefix } from './addresses/address-prefix.ts';
import { OperationError } from './errors.ts';

const EXAMPLES = { IPv4: '10.88.0.0/24', IPv6: 'fe80::/10' } as const;

/** All groups, whole. @throws OperationError RULE_BAD, GROUP_UNKNOWN, GROUPS_FULL; GROUP_EXISTS: two of one name */
export function checkGroups(groups: readonly SecurityGroup[]): void {
  const names = new Set<string>();
  for (const { name } of groups) {
    if (names.has(name)) throw new OperationError('GROUP_EXISTS', `two security groups are named ${name}`);
    names.add(name);
  }
  for (const { rules } of groups) for (const rule of rules) checkRule(rule, names);
  checkMemberships(groups);
}

/** `groups`: the names of all that there are. @throws OperationError RULE_BAD; GROUP_UNKNOWN: it names one that is not there */
export function checkRule(rule: SecurityRule, groups: ReadonlySet<string>): void {
  const { protocol, ethertype, ports, remotePrefix, remoteGroup } = rule;
  if (ports !== undefined && protocol !== 'tcp' && protocol !== 'udp') throw bad('only TCP and UDP have ports');
  if (ports !== undefined && ports.last < ports.first) throw bad(`from port ${ports.first} to ${ports.last} is none`);
  if (remotePrefix !== undefined && remoteGroup !== undefined) throw bad('name a prefix or a group, not both');
  if (remotePrefix !== undefined && addressPrefix(remotePrefix, ethertype) === undefined)
    throw bad(`'${remotePrefix}' is no ${ethertype} prefix, such as ${EXAMPLES[ethertype]}`);
  if (remoteGroup !== undefined && !groups.has(remoteGroup)) throw groupUnknown(remoteGroup);
}

/** All groups together are told in one call, which has room for so many. @throws OperationError GROUPS_FULL */
export function checkMemberships(groups: readonly Pick<SecurityGroup, 'members'>[]): void {
  const count = groups.reduce((sum, { members }) => sum + members.length, 0);
  if (count > GROUP_MEMBERSHIPS_MAX) throw groupsFull(`${GROUP_MEMBERSHIPS_MAX} members in all groups together`);
}

export function groupUnknown(name: string): OperationError {
  return new OperationError('GROUP_UNKNOWN', `there is no security group ${name}`, { remedy: 'net group list' });
}

export function groupsFull(what: string): OperationError {
  return new OperationError('GROUPS_FULL', `there cannot be more than ${what}`, {
    remedy: 'take out what is needed no more, or say it in fewer: net group list',
  });
}

function bad(why: string): OperationError {
  return new OperationError('RULE_BAD', `such a rule cannot be: ${why}`, { remedy: 'see net group allow --help' });
}
