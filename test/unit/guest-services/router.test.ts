// What the router says for itself: pings of its addresses are answered, and whose packet's time to live is over is told so;
// nobody speaks for another, and of an error nobody is told one.
import { ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type GuestNetwork, METADATA_IPV4 } from '../../../sdnd/guest-services/guest-network.ts';
import { answerFrame } from '../../../sdnd/guest-services/guest-services.ts';
import { serviceMatches } from '../../../sdnd/guest-services/service-matches.ts';
import { checksum } from '../../../sdnd/packets/checksum.ts';
import { decodeEthernet, EtherType, encodeEthernet } from '../../../sdnd/packets/ethernet.ts';
import { decodeIpv4, encodeIpv4, IpProtocol } from '../../../sdnd/packets/ipv4.ts';
import { OctetWriter } from '../../../sdnd/packets/octets.ts';
import { only } from './reading.ts';
import { asker, NETWORK, SERVICE_MAC, SERVICES, WEB, WEB_MAC } from './small-network.ts';

const OWN = ipv4('10.88.0.10');
const FAR = ipv4('10.88.1.9');
const FAR_ROUTER = ipv4('10.88.1.1');
const ECHO = Uint8Array.of(0x12, 0x34, 0, 7, 1, 2, 3, 4, 5);
const ROUTED: GuestNetwork = {
  ...NETWORK,
  subnets: [...NETWORK.subnets, { subnet: ipv4('10.88.1.0'), bits: 24, services: FAR_ROUTER, router: FAR_ROUTER }],
};

/** A message with its checksum made right. */
function message(type: number, code: number, rest: Uint8Array): Uint8Array {
  const writer = new OctetWriter(4 + rest.length).u8(type).u8(code).u16(0).put(rest);
  return writer.setU16(2, checksum(writer.bytes)).bytes;
}

/** A packet of `web` to its router's MAC address. */
function packetOf(destination: number, payload: Uint8Array, { source = OWN, ttl = 64, protocol = 1 } = {}): Uint8Array {
  const packet = encodeIpv4({ source, destination, protocol, payload });
  packet[8] = ttl;
  packet.set([0, 0], 10);
  const sum = checksum(packet.subarray(0, 20));
  packet.set([sum >> 8, sum & 0xff], 10);
  return encodeEthernet({ destination: SERVICE_MAC, source: WEB_MAC, etherType: EtherType.ipv4, payload: packet });
}

/** Who says what to whom. */
function told(frame: Uint8Array) {
  const { source: mac, destination: toMac, payload } = decodeEthernet(only(answerFrame(asker(WEB, ROUTED), frame)));
  const { source, destination, protocol, payload: icmp } = decodeIpv4(payload);
  assert.equal([mac, toMac, protocol, checksum(icmp)], [SERVICE_MAC, WEB_MAC, IpProtocol.icmp, 0]);
  return { source, destination, type: icmp[0], code: icmp[1], rest: icmp.subarray(4) };
}

function isSilent(frame: Uint8Array): boolean {
  return answerFrame(asker(WEB, ROUTED), frame).frames.length === 0;
}

test('every address of the router answers a ping with what it was asked', () => {
  for (const router of [SERVICES, FAR_ROUTER]) {
    const answer = told(packetOf(router, message(8, 0, ECHO)));
    assert.equal(answer, { source: router, destination: OWN, type: 0, code: 0, rest: ECHO });
  }
  assert.ok(isSilent(packetOf(SERVICES, message(0, 0, ECHO))));
  assert.ok(isSilent(packetOf(SERVICES, message(8, 1, ECHO))));
  assert.ok(isSilent(packetOf(SERVICES, message(8, 0, ECHO), { source: FAR })));
  const wrong = message(8, 0, ECHO).map((byte, at) => (at === 2 ? byte ^ 1 : byte));
  assert.is(answerFrame(asker(WEB, ROUTED), packetOf(SERVICES, wrong)).events[0]?.kind, 'malformed');
});

test('nobody is answered by what is longer than the MTU of the network', () => {
  const ping = (to: number, bytes: number): Uint8Array => packetOf(to, message(8, 0, new Uint8Array(bytes - 20 - 4)));
  for (const to of [SERVICES, METADATA_IPV4]) {
    assert.is(told(ping(to, NETWORK.mtuBytes)).rest.length, NETWORK.mtuBytes - 20 - 4);
    const { frames, events } = answerFrame(asker(WEB, ROUTED), ping(to, NETWORK.mtuBytes + 1));
    assert.equal([frames.length, events], [0, [{ kind: 'refused', portNo: 7, reason: 'over-mtu' }]]);
  }
});

test('a ping with its last hop reaches the router, and what it would have to send on comes back', () => {
  assert.is(told(packetOf(SERVICES, message(8, 0, ECHO), { ttl: 1 })).type, 0);
  for (const ttl of [0, 1]) {
    const frame = packetOf(FAR, message(8, 0, ECHO), { ttl });
    const { rest, ...answer } = told(frame);
    assert.equal(answer, { source: SERVICES, destination: OWN, type: 11, code: 0 });
    assert.equal(rest.subarray(4), decodeEthernet(frame).payload);
  }
  const long = packetOf(FAR, new Uint8Array(1_200), { ttl: 1, protocol: IpProtocol.udp });
  assert.is(told(long).rest.length, 4 + 548);
});

test('of an error nobody is told one, nor is another guest', () => {
  assert.ok(isSilent(packetOf(FAR, message(11, 0, ECHO), { ttl: 1 })));
  assert.ok(isSilent(packetOf(FAR, message(8, 0, ECHO), { ttl: 1, source: FAR })));
  assert.ok(isSilent(packetOf(FAR, message(8, 0, ECHO))));
});

test("a guest in a network without a router has no frames of it led to its node's services", () => {
  const words = (network: GuestNetwork): number =>
    serviceMatches({ ...network, prefixes: [] }).filter(
      ({ icmpv4Type, ipTtl }) => icmpv4Type !== undefined || ipTtl !== undefined,
    ).length;
  const [{ subnet, bits, services } = { subnet: 0, bits: 24, services: 0 }] = NETWORK.subnets;
  assert.equal([words(ROUTED), words({ ...NETWORK, subnets: [{ subnet, bits, services }] })], [4, 0]);
});

test.run();
