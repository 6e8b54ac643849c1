// Security groups for a terminal: each with its rules, in words.
import type { SecurityGroup, SecurityRule } from '../wire/contracts/security-groups.ts';

export function describeGroups(groups: readonly SecurityGroup[]): string {
  return groups.map(describeGroup).join('\n');
}

/** Of VMs that were put into a group and do not exist; a misspelt name is one of these. */
export function describeMissing(vms: readonly string[]): string[] {
  return vms.map((vm) => `there is no VM ${vm} yet; the group is its own as soon as it is made`);
}

function describeGroup({ name, rules, members }: SecurityGroup): string {
  const who = members.length === 0 ? 'nobody' : members.join(', ');
  const lines = rules.length === 0 ? ['nothing is allowed'] : rules.map(describeRule);
  return [`${name}: ${who}`, ...lines.map((line) => `  ${line}`)].join('\n');
}

function describeRule({ direction, ethertype, protocol, ports, remotePrefix, remoteGroup }: SecurityRule): string {
  const range = ports === undefined ? '' : `:${ports.first}${ports.last === ports.first ? '' : `-${ports.last}`}`;
  const remote = remoteGroup === undefined ? (remotePrefix ?? 'anybody') : `group ${remoteGroup}`;
  return `${direction} ${protocol}${range} ${ethertype} ${direction === 'ingress' ? 'from' : 'to'} ${remote}`;
}
