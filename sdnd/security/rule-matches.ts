// A rule of a security group as what a switch matches: of a frame in the direction in which its connection was opened. Pure.
import { ipv4, type Match } from '@openflow/ofp';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import type { SecurityRule } from '../../wire/contracts/security-groups.ts';
import { EtherType } from '../packets/ethernet.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { LATER_FRAGMENT } from '../pipeline.ts';
import { portMatches } from './port-ranges.ts';
import { ipv4Prefix, ipv6Prefix } from './prefixes.ts';

/** Whom a rule may name by a group: guests of the network of the one whose rule it is. */
export interface Members {
  readonly of: (group: string) => readonly Binding[];
  /** All IPv6 addresses of one. */
  readonly ipv6Of: (member: Binding) => readonly bigint[];
}

/** @throws Error for no prefix */
export function ruleMatches(rule: SecurityRule, members: Members): Match[] {
  const remotes = remoteMatches(rule, members);
  return remotes.flatMap((remote) => protocolMatches(rule).map((protocol) => ({ ...remote, ...protocol })));
}

function remoteMatches(rule: SecurityRule, members: Members): Match[] {
  const { ethertype, remotePrefix, remoteGroup } = rule;
  if (remoteGroup === undefined) return [prefixMatch(rule, remotePrefix)];
  const named = members.of(remoteGroup);
  if (ethertype === 'IPv4') return named.map(({ ip }) => ipv4Match(rule, ipv4(ip)));
  return named.flatMap((member) => members.ipv6Of(member).map((address) => ipv6Match(rule, address)));
}

function prefixMatch(rule: SecurityRule, prefix: string | undefined): Match {
  if (rule.ethertype === 'IPv4') return ipv4Match(rule, prefix === undefined ? undefined : ipv4Prefix(prefix));
  return ipv6Match(rule, prefix === undefined ? undefined : ipv6Prefix(prefix));
}

function ipv4Match({ direction }: SecurityRule, address: Match['ipv4Src']): Match {
  const ethType = EtherType.ipv4;
  if (address === undefined) return { ethType };
  return direction === 'ingress' ? { ethType, ipv4Src: address } : { ethType, ipv4Dst: address };
}

function ipv6Match({ direction }: SecurityRule, address: Match['ipv6Src']): Match {
  const ethType = EtherType.ipv6;
  if (address === undefined) return { ethType };
  return direction === 'ingress' ? { ethType, ipv6Src: address } : { ethType, ipv6Dst: address };
}

// Fragments but the first have no ports: those of the protocol are allowed with any port of it. They say nothing without
// their first one, which is judged by its port, and a switch looks connections up only once it has all of them.
function protocolMatches({ protocol, ethertype, ports }: SecurityRule): Match[] {
  switch (protocol) {
    case 'any':
      return [{}];
    case 'icmp':
      return [{ ipProto: ethertype === 'IPv4' ? IpProtocol.icmp : IpProtocol.icmpv6 }];
    case 'tcp':
    case 'udp': {
      const ipProto = IpProtocol[protocol];
      if (ports === undefined) return [{ ipProto }];
      const called = portMatches(ports.first, ports.last).map((port) =>
        protocol === 'tcp' ? { ipProto, tcpDst: port } : { ipProto, udpDst: port },
      );
      return [...called, { ipProto, ipFrag: LATER_FRAGMENT }];
    }
  }
}
