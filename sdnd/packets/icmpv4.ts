// ICMP (RFC 792) as a router speaks it: the answer to an echo, and that a packet's time to live is over.
import { checksum } from './checksum.ts';
import { IpProtocol, type ReceivedIpv4 } from './ipv4.ts';
import { BadPacket, OctetReader, OctetWriter } from './octets.ts';

export const Icmpv4Type = { echoReply: 0, echoRequest: 8, timeExceeded: 11 } as const;

const CHECKSUM_AT = 2;
const HEADER_BYTES = 8;
/** Of a packet that an error is about: so that the error's own is no longer than 576 bytes (RFC 1812, 4.3.2.3). */
const QUOTED_BYTES_MAX = 576 - 20 - HEADER_BYTES;
/** Types that ask or answer; all others are errors, and of an error nobody is told one (RFC 1122, 3.2.2). */
const QUERIES: ReadonlySet<number> = new Set([0, 8, 9, 10, 13, 14, 15, 16, 17, 18]);

/** What answers a message; undefined when that is no echo request. @throws BadPacket */
export function answerEcho({ payload }: ReceivedIpv4): Uint8Array | undefined {
  const reader = new OctetReader('icmpv4', payload);
  const [type, code] = [reader.u8(), reader.u8()];
  reader.bytes(HEADER_BYTES - 2);
  if (checksum(payload) !== 0) throw new BadPacket('icmpv4', 'checksum');
  if (type !== Icmpv4Type.echoRequest || code !== 0) return undefined;
  const writer = new OctetWriter(payload.length).u8(Icmpv4Type.echoReply).u8(0).u16(0).put(payload.subarray(4));
  return sealed(writer);
}

/** Says that a packet came to its end on its way; undefined of what nobody may be told that. */
export function timeExceeded({ protocol, payload, bytes }: ReceivedIpv4): Uint8Array | undefined {
  if (protocol === IpProtocol.icmp && !QUERIES.has(payload[0] ?? -1)) return undefined;
  const quoted = bytes.subarray(0, QUOTED_BYTES_MAX);
  const writer = new OctetWriter(HEADER_BYTES + quoted.length).u8(Icmpv4Type.timeExceeded).u8(0).u16(0).u32(0);
  return sealed(writer.put(quoted));
}

function sealed(writer: OctetWriter): Uint8Array {
  return writer.setU16(CHECKSUM_AT, checksum(writer.bytes)).bytes;
}
