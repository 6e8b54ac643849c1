// What the router of a network says for itself: it answers pings of its addresses, and tells whose packet's time to live
// ended there (RFC 1812, 4.3.3.6 and 5.3.1). What it only sends on comes no further than the switch.
import { EtherType } from '../packets/ethernet.ts';
import { answerEcho, timeExceeded } from '../packets/icmpv4.ts';
import { encodeIpv4, IpProtocol, type ReceivedIpv4 } from '../packets/ipv4.ts';
import { type Answer, type Asker, frameFor, NO_ANSWER } from './answers.ts';
import { routerIpv4, subnetOf } from './guest-network.ts';

/** The last hop that a packet may take; the switch sends on none that has no more left. */
const TTL_LAST = 1;

/** The answer to a guest's packet; undefined when it is none for the router itself. @throws BadPacket */
export function answerForRouter(asker: Asker, packet: ReceivedIpv4): Answer | undefined {
  const { network } = asker.directory;
  const { source, destination, protocol, ttl } = packet;
  if (routerIpv4(network).includes(destination)) {
    if (protocol !== IpProtocol.icmp) return undefined;
    const reply = answerEcho(packet);
    return reply && icmpFor(asker, { source: destination, destination: source }, reply);
  }
  const router = subnetOf(network, asker.host)?.router;
  if (ttl > TTL_LAST || router === undefined) return undefined;
  const error = timeExceeded(packet);
  return error === undefined ? NO_ANSWER : icmpFor(asker, { source: router, destination: source }, error);
}

function icmpFor(asker: Asker, ends: { source: number; destination: number }, payload: Uint8Array): Answer {
  const packet = encodeIpv4({ ...ends, protocol: IpProtocol.icmp, payload });
  return { frames: [frameFor(asker, asker.host.mac, EtherType.ipv4, packet)], events: [] };
}
