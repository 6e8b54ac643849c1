// ICMPv6 (RFC 4443) as a router speaks it: the answer to an echo, and why a packet goes no further.
import { Icmpv6Type, sealedIcmpv6 } from './icmpv6.ts';
import { IpProtocol } from './ipv4.ts';
import { IPV6_HEADER_BYTES, type Ipv6Packet, type ReceivedIpv6 } from './ipv6.ts';
import { OctetReader, OctetWriter } from './octets.ts';

const HEADER_BYTES = 8;
/** Of a packet that an error is about: so that the error goes through every link (RFC 4443, 2.4 c). */
const QUOTED_BYTES_MAX = 1280 - IPV6_HEADER_BYTES - HEADER_BYTES;
/** Types below it are errors, and of an error nobody is told one (RFC 4443, 2.4 e), nor of a redirect. */
const INFORMATION_FIRST = 128;

/** Of a packet whose hop limit is over in transit; of one for an address to which there is no route (RFC 4443, 3.1, 3.3). */
type Ending = 'hop-limit' | 'no-route';
const TYPES: Readonly<Record<Ending, number>> = {
  'hop-limit': Icmpv6Type.timeExceeded,
  'no-route': Icmpv6Type.destinationUnreachable,
};

interface Ends {
  readonly source: bigint;
  readonly destination: bigint;
}

/** What answers a message whose checksum is right; undefined when that is no echo request. @throws BadPacket */
export function answerEchoIpv6({ source, destination, payload }: Ipv6Packet): Uint8Array | undefined {
  const reader = new OctetReader('icmpv6', payload);
  const [type, code] = [reader.u8(), reader.u8()];
  reader.bytes(HEADER_BYTES - 2);
  if (type !== Icmpv6Type.echoRequest || code !== 0) return undefined;
  const writer = new OctetWriter(payload.length).u8(Icmpv6Type.echoReply).u8(0).u16(0).put(payload.subarray(4));
  return sealedIcmpv6(writer, { source: destination, destination: source });
}

/** Says to who sent a packet why it came to its end; undefined of what nobody may be told that. Both have code 0. */
export function endOfIpv6(
  ending: Ending,
  { nextHeader, payload, bytes }: ReceivedIpv6,
  ends: Ends,
): Uint8Array | undefined {
  const type = payload[0] ?? 0;
  const isIcmp = nextHeader === IpProtocol.icmpv6;
  if (isIcmp && (type < INFORMATION_FIRST || type === Icmpv6Type.redirect)) return undefined;
  const quoted = bytes.subarray(0, QUOTED_BYTES_MAX);
  const writer = new OctetWriter(HEADER_BYTES + quoted.length).u8(TYPES[ending]).u8(0).u16(0).u32(0);
  return sealedIcmpv6(writer.put(quoted), ends);
}
