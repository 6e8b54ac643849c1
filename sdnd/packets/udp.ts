// UDP datagrams (RFC 768) in IPv4 or IPv6 packets.
import { checksum, type IpEnds, pseudoHeader } from './checksum.ts';
import { IpProtocol } from './ipv4.ts';
import { BadPacket, OctetReader, OctetWriter } from './octets.ts';

const HEADER_BYTES = 8;
const CHECKSUM_AT = 6;
/** No checksum was made: over IPv4 that is allowed, over IPv6 it is not (RFC 8200, 8.1). */
const NO_CHECKSUM = 0;

export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** @throws BadPacket */
export function decodeUdp(ends: IpEnds, bytes: Uint8Array): UdpDatagram {
  const reader = new OctetReader('udp', bytes);
  const sourcePort = reader.u16();
  const destinationPort = reader.u16();
  const length = reader.u16();
  reader.expect(length >= HEADER_BYTES);
  const hasChecksum = reader.u16() !== NO_CHECKSUM;
  const payload = reader.bytes(length - HEADER_BYTES);
  if (!hasChecksum && typeof ends.source === 'number') return { sourcePort, destinationPort, payload };
  const sum = checksum(pseudoHeader(ends, IpProtocol.udp, length), bytes.subarray(0, length));
  if (!hasChecksum || sum !== 0) throw new BadPacket('udp', 'checksum');
  return { sourcePort, destinationPort, payload };
}

export function encodeUdp(ends: IpEnds, { sourcePort, destinationPort, payload }: UdpDatagram): Uint8Array {
  const length = HEADER_BYTES + payload.length;
  const writer = new OctetWriter(length).u16(sourcePort).u16(destinationPort).u16(length).u16(0).put(payload);
  const sum = checksum(pseudoHeader(ends, IpProtocol.udp, length), writer.bytes);
  return writer.setU16(CHECKSUM_AT, sum === NO_CHECKSUM ? 0xffff : sum).bytes;
}
