// What the router of a network says for itself over IPv6, as `router-responder` does over IPv4: it answers pings of its
// addresses, tells whose packet's hop limit ended there, and that no way leads from here to the Internet over IPv6, so that a
// guest that knows another one takes it at once (RFC 6724, 2).
import { EtherType } from '../packets/ethernet.ts';
import { decodeIcmpv6 } from '../packets/icmpv6.ts';
import { answerEchoIpv6, endOfIpv6 } from '../packets/icmpv6-router.ts';
import { IpProtocol } from '../packets/ipv4.ts';
import { encodeIpv6, isGlobalUnicast, isLinkLocal, isMulticast, type ReceivedIpv6 } from '../packets/ipv6.ts';
import { type Answer, type Asker, frameFor, NO_ANSWER } from './answers.ts';
import { prefixOf, routerIpv6 } from './guest-network.ts';

const HOP_LIMIT = 64;
/** The last hop that a packet may take; the switch sends on none that has no more left. */
const HOP_LIMIT_LAST = 1;

/** The answer to a guest's packet; undefined when it is none for the router itself. @throws BadPacket */
export function answerForIpv6Router(asker: Asker, packet: ReceivedIpv6): Answer | undefined {
  const { network, servicesIpv6 } = asker.directory;
  const { source, destination, nextHeader, hopLimit } = packet;
  if (destination === servicesIpv6 || routerIpv6(network).includes(destination)) {
    if (nextHeader !== IpProtocol.icmpv6 || decodeIcmpv6(packet).kind !== 'other') return undefined;
    const reply = answerEchoIpv6(packet);
    return reply && icmpFor(asker, { source: destination, destination: source }, reply);
  }
  const router = prefixOf(network, asker.host)?.router;
  const isRouted = asker.host.ipv6.includes(source) && !isMulticast(destination) && !isLinkLocal(destination);
  const isOver = hopLimit <= HOP_LIMIT_LAST;
  if (router === undefined || !isRouted || !(isOver || isGlobalUnicast(destination))) return undefined;
  const ends = { source: router, destination: source };
  const error = endOfIpv6(isOver ? 'hop-limit' : 'no-route', packet, ends);
  return error === undefined ? NO_ANSWER : icmpFor(asker, ends, error);
}

function icmpFor(asker: Asker, ends: { source: bigint; destination: bigint }, payload: Uint8Array): Answer {
  const packet = encodeIpv6({ ...ends, hopLimit: HOP_LIMIT, nextHeader: IpProtocol.icmpv6, payload });
  return { frames: [frameFor(asker, asker.host.mac, EtherType.ipv6, packet)], events: [] };
}
