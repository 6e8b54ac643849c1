// A rule of a security group as what a switch matches: of a frame in the direction in which its connection was opened. Of one
// that names a group only what is called: that its far end is a member is looked up before (`policy-flows`). Pure.
import type { Match } from '@openflow/ofp';
import type { SecurityRule } from '../../wire/contracts/security-groups.ts';
import { EtherType } from '../packets/ethernet.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { LATER_FRAGMENT } from '../pipeline.ts';
import { portMatches } from './port-ranges.ts';
import { ipv4Prefix, ipv6Prefix } from './prefixes.ts';

/** @throws Error for no prefix */
export function ruleMatches(rule: SecurityRule): Match[] {
  const { direction, ethertype, remotePrefix } = rule;
  const far =
    ethertype === 'IPv4'
      ? ipv4Far(direction, remotePrefix === undefined ? undefined : ipv4Prefix(remotePrefix))
      : ipv6Far(direction, remotePrefix === undefined ? undefined : ipv6Prefix(remotePrefix));
  return protocolMatches(rule).map((protocol) => ({ ...far, ...protocol }));
}

/** The far end of a frame in the direction in which its connection was opened; undefined: anybody. */
export function ipv4Far(direction: SecurityRule['direction'], address: Match['ipv4Src']): Match {
  const ethType = EtherType.ipv4;
  if (address === undefined) return { ethType };
  return direction === 'ingress' ? { ethType, ipv4Src: address } : { ethType, ipv4Dst: address };
}

export function ipv6Far(direction: SecurityRule['direction'], address: Match['ipv6Src']): Match {
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
