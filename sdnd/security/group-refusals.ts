// Why security groups are refused, in words for a person: before they are kept, since flows are computed from what is.
import { messageOf, OperationError } from '../../common/errors.ts';
import type { SecurityGroup, SecurityRule } from '../../wire/contracts/security-groups.ts';
import { ipv4Prefix, ipv6Prefix } from './prefixes.ts';

/** @throws OperationError GROUP_BAD */
export function checkGroups(groups: readonly SecurityGroup[]): void {
  const names = new Set(groups.map(({ name }) => name));
  if (names.size < groups.length) throw bad('two security groups have one name');
  for (const { name, rules } of groups) {
    for (const rule of rules) checkRule(name, rule, names);
  }
}

function checkRule(group: string, rule: SecurityRule, names: ReadonlySet<string>): void {
  const { ethertype, protocol, ports, remotePrefix, remoteGroup } = rule;
  const what = `a rule of security group ${group}`;
  if (ports !== undefined && protocol !== 'tcp' && protocol !== 'udp')
    throw bad(`${what} has ports, but not of TCP or UDP`);
  if (ports !== undefined && ports.last < ports.first) throw bad(`${what} has ports ${ports.first} to ${ports.last}`);
  if (remotePrefix !== undefined && remoteGroup !== undefined)
    throw bad(`${what} has a remote prefix and a remote group`);
  if (remoteGroup !== undefined && !names.has(remoteGroup)) throw bad(`${what} names ${remoteGroup}, which is none`);
  if (remotePrefix === undefined) return;
  try {
    if (ethertype === 'IPv4') ipv4Prefix(remotePrefix);
    else ipv6Prefix(remotePrefix);
  } catch (error) {
    throw bad(`${what}: ${messageOf(error)}`);
  }
}

function bad(message: string): OperationError {
  return new OperationError('GROUP_BAD', message);
}
