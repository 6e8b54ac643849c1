// What the services' frames say, read for tests by the codecs that a guest's frames are read by. Not a test itself.
import * as assert from 'uvu/assert';
import type { Answer } from '../../../sdnd/guest-services/answers.ts';
import { DhcpOption } from '../../../sdnd/packets/dhcp.ts';
import { Dhcpv6Option } from '../../../sdnd/packets/dhcpv6.ts';
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

/** A server's message of DHCPv6, and of its associations what is in them: codes and values in the order in which they came. */
export function readDhcpv6Reply(message: Uint8Array) {
  const head = new OctetReader('dhcpv6', message).u32();
  const options = readDhcpv6Options(message.subarray(4));
  const ias = options.flatMap(([code, value]) => {
    if (code !== Dhcpv6Option.ia) return [];
    const reader = new OctetReader('dhcpv6', value);
    const [id, renewS, rebindS] = [reader.u32(), reader.u32(), reader.u32()];
    const inside = readDhcpv6Options(reader.rest());
    const addresses = inside.flatMap(([one, bytes]) => (one === Dhcpv6Option.iaAddress ? [readLease(bytes)] : []));
    return [{ id, renewS, rebindS, addresses, status: statusIn(inside) }];
  });
  return { type: head >>> 24, transaction: head & 0xffffff, options: new Map(options), ias, status: statusIn(options) };
}

function readDhcpv6Options(bytes: Uint8Array): [number, Uint8Array][] {
  const reader = new OctetReader('dhcpv6', bytes);
  const options: [number, Uint8Array][] = [];
  while (reader.left > 0) options.push([reader.u16(), reader.bytes(reader.u16())]);
  return options;
}

function readLease(bytes: Uint8Array): [address: bigint, preferredS: number, validS: number] {
  const reader = new OctetReader('dhcpv6', bytes);
  const lease: [bigint, number, number] = [reader.ipv6(), reader.u32(), reader.u32()];
  assert.is(reader.left, 0);
  return lease;
}

function statusIn(options: readonly (readonly [number, Uint8Array])[]): number | undefined {
  const [, value] = options.find(([code]) => code === Dhcpv6Option.status) ?? [];
  return value && new OctetReader('dhcpv6', value).u16();
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
