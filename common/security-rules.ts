// Which security rules there can be: asked by the orchestrator before it keeps one, and by the overlay's controller before it
// computes flows from those that it is told. Both take the same ones, so that none is kept of which flows cannot be made.
import { isIPv4, isIPv6 } from 'node:net';
import type { SecurityRule } from '../wire/contracts/security-groups.ts';
import { OperationError } from './errors.ts';

const FAMILY = {
  IPv4: { bits: 32, example: '10.88.0.0/24' },
  IPv6: { bits: 128, example: 'fe80::/10' },
} as const;

/** `groups`: the names of all that there are. @throws OperationError RULE_BAD; GROUP_UNKNOWN: it names one that is not there */
export function checkRule(rule: SecurityRule, groups: ReadonlySet<string>): void {
  const { protocol, ethertype, ports, remotePrefix, remoteGroup } = rule;
  if (ports !== undefined && protocol !== 'tcp' && protocol !== 'udp') throw bad('only TCP and UDP have ports');
  if (ports !== undefined && ports.last < ports.first) throw bad(`from port ${ports.first} to ${ports.last} is none`);
  if (remotePrefix !== undefined && remoteGroup !== undefined) throw bad('name a prefix or a group, not both');
  if (remotePrefix !== undefined && !isPrefix(remotePrefix, ethertype))
    throw bad(`'${remotePrefix}' is no ${ethertype} prefix, such as ${FAMILY[ethertype].example}`);
  if (remoteGroup !== undefined && !groups.has(remoteGroup)) throw groupUnknown(remoteGroup);
}

export function groupUnknown(name: string): OperationError {
  return new OperationError('GROUP_UNKNOWN', `there is no security group ${name}`, { remedy: 'net group list' });
}

/** An address alone is a prefix too. As flows are made of it: without a zone, and without a tail of dots. */
function isPrefix(text: string, ethertype: SecurityRule['ethertype']): boolean {
  const [address = '', bits = '0', ...more] = text.split('/');
  const isAddress = ethertype === 'IPv4' ? isIPv4(address) : isIPv6(address) && !/[.%]/.test(address);
  return isAddress && more.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= FAMILY[ethertype].bits;
}

function bad(why: string): OperationError {
  return new OperationError('RULE_BAD', `such a rule cannot be: ${why}`, { remedy: 'see net group allow --help' });
}
