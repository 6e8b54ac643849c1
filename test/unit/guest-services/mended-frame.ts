// Makes the lengths and checksums of a changed frame right again, so that what was changed is looked at and not thrown away
// by the first sum. Not a test itself.
import { checksum, pseudoHeader } from '../../../sdnd/packets/checksum.ts';

const ETHERNET_BYTES = 14;
const IPV6_BYTES = 40;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;

/** A copy; a frame that is no IP packet stays as it is. */
export function mendedFrame(frame: Uint8Array): Uint8Array {
  const bytes = frame.slice();
  const view = new DataView(bytes.buffer);
  if (bytes.length < ETHERNET_BYTES + IPV6_BYTES) return bytes;
  const type = view.getUint16(12);
  if (type === 0x0800) mendIpv4(bytes.subarray(ETHERNET_BYTES));
  if (type === 0x86dd) mendIpv6(bytes.subarray(ETHERNET_BYTES));
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function mendIpv4(packet: Uint8Array): void {
  const view = viewOf(packet);
  const header = Math.max(20, (view.getUint8(0) & 0x0f) * 4);
  if (header + 8 > packet.length) return;
  view.setUint16(2, packet.length);
  view.setUint16(6, view.getUint16(6) & 0xc000);
  const payload = packet.subarray(header);
  if (view.getUint8(9) === UDP) mendUdp(payload, { source: view.getUint32(12), destination: view.getUint32(16) });
  if (view.getUint8(9) === TCP) mendTcp(payload, { source: view.getUint32(12), destination: view.getUint32(16) });
  view.setUint16(10, 0);
  view.setUint16(10, checksum(packet.subarray(0, header)));
}

function mendIpv6(packet: Uint8Array): void {
  const view = viewOf(packet);
  const wide = (at: number): bigint => (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8);
  const ends = { source: wide(8), destination: wide(24) };
  const payload = packet.subarray(IPV6_BYTES);
  view.setUint16(4, payload.length);
  if (view.getUint8(6) === UDP && payload.length >= 8) mendUdp(payload, ends);
  if (view.getUint8(6) !== ICMPV6 || payload.length < 4) return;
  viewOf(payload).setUint16(2, 0);
  viewOf(payload).setUint16(2, checksum(pseudoHeader(ends, ICMPV6, payload.length), payload));
}

function mendTcp(segment: Uint8Array, ends: Parameters<typeof pseudoHeader>[0]): void {
  if (segment.length < 18) return;
  viewOf(segment).setUint16(16, 0);
  viewOf(segment).setUint16(16, checksum(pseudoHeader(ends, TCP, segment.length), segment));
}

function mendUdp(datagram: Uint8Array, ends: Parameters<typeof pseudoHeader>[0]): void {
  const view = viewOf(datagram);
  view.setUint16(4, datagram.length);
  view.setUint16(6, 0);
  const sum = checksum(pseudoHeader(ends, UDP, datagram.length), datagram);
  view.setUint16(6, sum === 0 ? 0xffff : sum);
}
