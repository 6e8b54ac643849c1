// The Internet checksum (RFC 1071), with the pseudo-headers of IPv4 (RFC 768) and IPv6 (RFC 8200, 8.1).
import { OctetWriter } from './octets.ts';

const IPV4_PSEUDO_BYTES = 12;
const IPV6_PSEUDO_BYTES = 40;

/** Addresses under which a checksum counts: numbers are of IPv4, bigints of IPv6. */
export type IpEnds =
  | { readonly source: number; readonly destination: number }
  | { readonly source: bigint; readonly destination: bigint };

/** The ones' complement sum of all parts, complemented: 0 where a right checksum is among them. Odd parts only at the end. */
export function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) sum += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** What counts before an upper protocol's bytes. */
export function pseudoHeader(ends: IpEnds, protocol: number, length: number): Uint8Array {
  const { source, destination } = ends;
  if (typeof source === 'number' && typeof destination === 'number') {
    const writer = new OctetWriter(IPV4_PSEUDO_BYTES);
    return writer.u32(source).u32(destination).u16(protocol).u16(length).bytes;
  }
  const writer = new OctetWriter(IPV6_PSEUDO_BYTES);
  return writer.ipv6(BigInt(source)).ipv6(BigInt(destination)).u32(length).u32(protocol).bytes;
}
