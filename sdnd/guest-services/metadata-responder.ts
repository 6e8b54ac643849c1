// The metadata address: HTTP over TCP of which nothing is remembered. A segment says by its own numbers what the next one
// from here is to have, a request fits into one and so does its response, which ends the connection; who hears no answer
// asks again, and gets the same from whichever node its guest is at by then. Who asks is known by the port that it came
// from, so tenants may have the same addresses. It answers pings too.
import type { IpEnds } from '../packets/checksum.ts';
import { EtherType } from '../packets/ethernet.ts';
import { answerEcho } from '../packets/icmpv4.ts';
import { encodeIpv4, IpProtocol, type ReceivedIpv4 } from '../packets/ipv4.ts';
import { decodeTcp, encodeTcp, TcpFlag, type TcpSegment } from '../packets/tcp.ts';
import { type Answer, type Asker, frameFor, NO_ANSWER, refusal } from './answers.ts';
import { respond } from './metadata-tree.ts';

const HTTP_PORT = 80;
const HEADERS_BYTES = 40;
const NOTHING = new Uint8Array(0);

type Reply = Parameters<typeof encodeTcp>[1];

/** @throws BadPacket */
export function answerMetadata(asker: Asker, packet: ReceivedIpv4): Answer {
  const { protocol } = packet;
  if (protocol !== IpProtocol.tcp && protocol !== IpProtocol.icmp) return refusal(asker, 'not-for-services');
  const ends = { source: packet.destination, destination: packet.source };
  const payload = protocol === IpProtocol.icmp ? answerEcho(packet) : answerSegment(asker, packet, ends);
  if (payload === undefined) return NO_ANSWER;
  const bytes = encodeIpv4({ ...ends, protocol, payload });
  return { frames: [frameFor(asker, asker.host.mac, EtherType.ipv4, bytes)], events: [] };
}

function answerSegment(asker: Asker, packet: ReceivedIpv4, ends: IpEnds): Uint8Array | undefined {
  const reply = replyTo(asker, decodeTcp(packet, packet.payload));
  return reply && encodeTcp(ends, reply);
}

function replyTo({ host, directory: { network } }: Asker, segment: TcpSegment): Reply | undefined {
  const { sequence, acknowledgement, payload } = segment;
  const has = (flag: number): boolean => (segment.flags & flag) !== 0;
  const ports = { sourcePort: segment.destinationPort, destinationPort: segment.sourcePort };
  const heard = plus(sequence, payload.length + (has(TcpFlag.syn) ? 1 : 0) + (has(TcpFlag.fin) ? 1 : 0));
  if (has(TcpFlag.rst)) return undefined;
  if (segment.destinationPort !== HTTP_PORT || has(TcpFlag.syn) === has(TcpFlag.ack)) {
    // Nothing listens, or such a segment has no place in a connection (RFC 9293, 3.10.7.1).
    const numbers = has(TcpFlag.ack)
      ? { sequence: acknowledgement, acknowledgement: 0, flags: TcpFlag.rst }
      : { sequence: 0, acknowledgement: heard, flags: TcpFlag.rst | TcpFlag.ack };
    return { ...ports, ...numbers, payload: NOTHING };
  }
  if (has(TcpFlag.syn)) {
    // Its own number back is as good as a drawn one: nobody but this port's guest can send or hear anything here.
    const numbers = { sequence, acknowledgement: heard, flags: TcpFlag.syn | TcpFlag.ack };
    return { ...ports, ...numbers, mssBytes: network.mtuBytes - HEADERS_BYTES, payload: NOTHING };
  }
  const said = { ...ports, sequence: acknowledgement, acknowledgement: heard };
  const response = respond({ host, domain: network.domain }, payload);
  if (response !== undefined) return { ...said, flags: TcpFlag.ack | TcpFlag.psh | TcpFlag.fin, payload: response };
  return heard === sequence ? undefined : { ...said, flags: TcpFlag.ack, payload: NOTHING };
}

function plus(sequence: number, count: number): number {
  return (sequence + count) >>> 0;
}
