// What matches the answers on one connection of a guest. Pure. A connection that the guest opened is answered by what comes to
// it, another by what it sends; only TCP's first packet, which opens one, is never an answer.
import { ipv4, ipv6, type Match } from '@openflow/ofp';
import type { GuestConnection, SecurityRule } from '../../wire/contracts/security-groups.ts';
import { EtherType } from '../packets/ethernet.ts';
import { IpProtocol } from '../packets/ipv4.ts';

/** SYN and ACK (RFC 9293, 3.1): of the two the first packet has the first alone. */
const SYN = 0x02;

export interface Answer {
  readonly direction: SecurityRule['direction'];
  readonly match: Match;
}

/** The guest's own addresses. */
export interface OwnAddresses {
  readonly ip: string;
  readonly ipv6: readonly bigint[];
}

/** Undefined: neither end is the guest, or one is no address. */
export function answerMatch({ protocol, from, to }: GuestConnection, own: OwnAddresses): Answer | undefined {
  const opened = isOwn(from.address, own);
  if (opened === undefined || opened === isOwn(to.address, own)) return undefined;
  const ends = addresses(to.address, from.address);
  if (ends === undefined) return undefined;
  const ports: Match =
    protocol === 'tcp'
      ? { ipProto: IpProtocol.tcp, tcpSrc: to.port, tcpDst: from.port, tcpFlags: { value: 0, mask: SYN } }
      : { ipProto: IpProtocol.udp, udpSrc: to.port, udpDst: from.port };
  return { direction: opened ? 'ingress' : 'egress', match: { ...ends, ...ports } };
}

/** Undefined: it is no address. */
function isOwn(address: string, own: OwnAddresses): boolean | undefined {
  try {
    return address.includes(':') ? own.ipv6.includes(ipv6(address)) : ipv4(address) === ipv4(own.ip);
  } catch {
    return undefined;
  }
}

function addresses(source: string, destination: string): Match | undefined {
  try {
    return source.includes(':')
      ? { ethType: EtherType.ipv6, ipv6Src: ipv6(source), ipv6Dst: ipv6(destination) }
      : { ethType: EtherType.ipv4, ipv4Src: ipv4(source), ipv4Dst: ipv4(destination) };
  } catch {
    return undefined;
  }
}
