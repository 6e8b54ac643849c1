// What the services' frames say, read for tests by the codecs that a guest's frames are read by. Not a test itself.
import * as assert from 'uvu/assert';
import type { Answer } from '../../../sdnd/guest-services/answers.ts';
import { DhcpOption } from '../../../sdnd/packets/dhcp.ts';
import { decodeEthernet, EtherType } from '../../../sdnd/packets/ethernet.ts';
import { decodeIpv4 } from '../../../sdnd/packets/ipv4.ts';
import { decodeIpv6 } from '../../../sdnd/packets/ipv6.ts';
import { OctetReader } from '../../../sdnd/packets/octets.ts';
import { decodeUdp } from '../../../sdnd/packets/udp.ts';

/** The one frame of an answer. */
export function only({ frames }: Answer): Uint8Array {
  assert.is(frames.length, 1);
  return frames[0] ?? new Uint8Array(0);
}

/** A datagram's addresses, ports and payload, with the MAC addresses around it. */
export function readDatagram(frame: Uint8Array) {
  const { source: fromMac, destination: toMac, etherType, payload } = decodeEthernet(frame);
  const packet = etherType === EtherType.ipv4 ? decodeIpv4(payload) : decodeIpv6(payload);
  const ends =
    'protocol' in packet
      ? { source: packet.source, destination: packet.destination }
      : { source: packet.source, destination: packet.destination };
  return { fromMac, toMac, ...ends, ...decodeUdp(ends, packet.payload) };
}

/** A server's message of DHCP: fixed fields, and options in the order in which they came. */
export function readDhcpReply(message: Uint8Array) {
  const reader = new OctetReader('dhcp', message);
  assert.is(reader.u32() >>> 8, 0x020106);
  const xid = reader.u32();
  reader.u16();
  const flags = reader.u16();
  const [clientAddress, yourAddress] = [reader.u32(), reader.u32()];
  reader.bytes(8);
  const mac = reader.mac();
  reader.bytes(202);
  assert.is(reader.u32(), 0x63825363);
  const options = new Map<number, Uint8Array>();
  for (let code = reader.u8(); code !== DhcpOption.end; code = reader.u8())
    options.set(code, reader.bytes(reader.u8()));
  return { xid, flags, clientAddress, yourAddress, mac, type: options.get(DhcpOption.messageType)?.[0], options };
}
