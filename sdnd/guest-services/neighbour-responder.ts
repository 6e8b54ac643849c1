// Answers IPv6 neighbour solicitations of a guest (RFC 4861, 7.2) for everyone whom its network knows, those for duplicate
// address detection (RFC 4862, 5.4) included. Silent for the guest's own addresses.
import { EtherType, multicastMac } from '../packets/ethernet.ts';
import { encodeNeighbourAdvertisement, ND_HOP_LIMIT } from '../packets/icmpv6.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { ALL_NODES, encodeIpv6, UNSPECIFIED_IPV6 } from '../packets/ipv6.ts';
import { type Answer, type Asker, frameFor, NO_ANSWER } from './answers.ts';
import { routerIpv6 } from './guest-network.ts';

/** `source`: who asks; unspecified while it tries whether the address is free, and then all are told (7.2.4). */
export function answerNeighbour(asker: Asker, source: bigint, target: bigint): Answer {
  const { host, directory } = asker;
  const mac = directory.macOf(target);
  if (mac === undefined || mac === host.mac) return NO_ANSWER;
  const isSolicited = source !== UNSPECIFIED_IPV6;
  const ends = { source: target, destination: isSolicited ? source : ALL_NODES };
  const isRouter = mac === directory.network.serviceMac && routerIpv6(directory.network).length > 0;
  const payload = encodeNeighbourAdvertisement({ ...ends, target, mac, isRouter, isSolicited });
  const packet = encodeIpv6({ ...ends, hopLimit: ND_HOP_LIMIT, nextHeader: IpProtocol.icmpv6, payload });
  const to = isSolicited ? host.mac : multicastMac(ALL_NODES);
  return { frames: [frameFor(asker, to, EtherType.ipv6, packet)], events: [] };
}
