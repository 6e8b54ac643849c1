// IPv4 packets (RFC 791) as a service takes them: whole ones, whose checksum is right. Options are passed over.
import { checksum } from './checksum.ts';
import { BadPacket, OctetReader, OctetWriter } from './octets.ts';

export const IpProtocol = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;
export const BROADCAST_IPV4 = 0xffffffff;

const HEADER_BYTES = 20;
const CHECKSUM_AT = 10;
const VERSION = 4;
/** The bit "more fragments" and the offset; neither "don't fragment" nor the reserved bit. */
const FRAGMENT_BITS = 0x3fff;
const DONT_FRAGMENT = 0x4000;
const TTL = 64;

export interface Ipv4Packet {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly payload: Uint8Array;
}

/** A packet that came. */
export interface ReceivedIpv4 extends Ipv4Packet {
  readonly ttl: number;
  /** All of it, and nothing after it. */
  readonly bytes: Uint8Array;
}

/** @throws BadPacket, of a fragment too: nobody here puts them together */
export function decodeIpv4(bytes: Uint8Array): ReceivedIpv4 {
  const reader = new OctetReader('ipv4', bytes);
  const first = reader.u8();
  const headerBytes = (first & 0x0f) * 4;
  reader.expect(first >> 4 === VERSION && headerBytes >= HEADER_BYTES);
  reader.bytes(1);
  const totalBytes = reader.u16();
  reader.expect(totalBytes >= headerBytes);
  if (totalBytes > bytes.length) throw new BadPacket('ipv4', 'truncated');
  reader.bytes(2);
  const isFragment = (reader.u16() & FRAGMENT_BITS) !== 0;
  const ttl = reader.u8();
  const protocol = reader.u8();
  reader.bytes(2);
  const source = reader.u32();
  const destination = reader.u32();
  if (checksum(bytes.subarray(0, headerBytes)) !== 0) throw new BadPacket('ipv4', 'checksum');
  if (isFragment) throw new BadPacket('ipv4', 'fragment');
  const payload = bytes.subarray(headerBytes, totalBytes);
  return { source, destination, protocol, payload, ttl, bytes: bytes.subarray(0, totalBytes) };
}

export function encodeIpv4({ source, destination, protocol, payload }: Ipv4Packet): Uint8Array {
  const writer = new OctetWriter(HEADER_BYTES + payload.length);
  writer
    .u8((VERSION << 4) | (HEADER_BYTES / 4))
    .u8(0)
    .u16(writer.bytes.length)
    .u16(0)
    .u16(DONT_FRAGMENT);
  writer.u8(TTL).u8(protocol).u16(0).u32(source).u32(destination).put(payload);
  return writer.setU16(CHECKSUM_AT, checksum(writer.bytes.subarray(0, HEADER_BYTES))).bytes;
}
