// The services of a node's ports together: what is for which, what is refused, and how one port's flood stays its own.
import { ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { METADATA_IPV4 } from '../../../sdnd/guest-services/guest-network.ts';
import { answerFrame, GuestServices } from '../../../sdnd/guest-services/guest-services.ts';
import { FRAMES_AT_ONCE, FRAMES_PER_S } from '../../../sdnd/guest-services/port-allowance.ts';
import { serviceMatches } from '../../../sdnd/guest-services/service-matches.ts';
import { checksum } from '../../../sdnd/packets/checksum.ts';
import { DhcpType } from '../../../sdnd/packets/dhcp.ts';
import { EtherType, encodeEthernet } from '../../../sdnd/packets/ethernet.ts';
import { BROADCAST_IPV4, encodeIpv4 } from '../../../sdnd/packets/ipv4.ts';
import { encodeIpv6, linkLocalOf } from '../../../sdnd/packets/ipv6.ts';
import { encodeUdp } from '../../../sdnd/packets/udp.ts';
import { readDatagram } from './reading.ts';
import { asker, DB, datagram4, dhcpFrame, NETWORK, SERVICE_MAC, SERVICES, WEB, WEB_MAC } from './small-network.ts';

const OWN = ipv4('10.88.0.10');
const DISCOVER = dhcpFrame({ type: DhcpType.discover });
const nothing = new Uint8Array(0);

const eventsOf = (frame: Uint8Array) => answerFrame(asker(), frame).events;
const refused = (reason: string) => [{ kind: 'refused', portNo: 7, reason }];
const malformed = (protocol: string, fault: string) => [{ kind: 'malformed', portNo: 7, protocol, fault }];

function served(): GuestServices {
  const services = new GuestServices();
  services.serve(
    [NETWORK],
    [
      { portNo: 7, tenant: 1, host: WEB },
      { portNo: 8, tenant: 1, host: { ...DB, mac: WEB_MAC } },
    ],
    0,
  );
  return services;
}

test('a port is told its own binding, and one that is not served nothing', () => {
  const services = served();
  const addressAt = (portNo: number) => {
    const [frame] = services.frame(portNo, DISCOVER, 0).frames;
    return frame === undefined ? undefined : readDatagram(frame).destination;
  };
  assert.is(addressAt(7), OWN);
  assert.is(addressAt(8), DB.ipv4[0]);
  assert.is(addressAt(9), undefined);
  services.serve([NETWORK], [{ portNo: 8, tenant: 1, host: WEB }], 0);
  assert.is(addressAt(7), undefined, 'taken away');
  assert.is(addressAt(8), OWN, 'another guest');
  assert.equal(services.portNumbers, [8]);
  assert.throws(() => services.serve([NETWORK], [{ portNo: 8, tenant: 2, host: WEB }], 0), /tenant 2/);
});

test('a port that floods is cut off at its allowance, told once a second, and hurts no other', () => {
  const services = served();
  let answered = 0;
  let told = 0;
  let dropped = 0;
  for (let ms = 0; ms < 10_000; ms++) {
    const { frames, events } = services.frame(7, DISCOVER, ms);
    answered += frames.length;
    for (const event of events) {
      if (event.kind !== 'limited') continue;
      told++;
      dropped += event.frames;
    }
    if (ms % 100 === 0) assert.is(services.frame(8, DISCOVER, ms).frames.length, 1, 'the other port is answered');
  }
  const allowed = FRAMES_AT_ONCE + 10 * FRAMES_PER_S;
  assert.ok(Math.abs(answered - allowed) <= 1, `${answered} answers`);
  assert.ok(told >= 9 && told <= 10, `told ${told} times`);
  assert.ok(dropped <= 10_000 - answered && dropped > 8_000, `${dropped} told`);
});

test('what a port has used stays counted when bindings change, and a clock that stands gives nothing', () => {
  const services = served();
  for (let frame = 0; frame < FRAMES_AT_ONCE; frame++) services.frame(7, DISCOVER, 5);
  services.serve([NETWORK], [{ portNo: 7, tenant: 1, host: WEB }], 5);
  assert.is(services.frame(7, DISCOVER, 5).frames.length, 0);
  assert.is(services.frame(7, DISCOVER, 4).frames.length, 0);
  assert.is(services.frame(7, DISCOVER, 5 + 1_000 / FRAMES_PER_S).frames.length, 1);
});

test('the metadata address is asked over TCP, and from an own address', () => {
  for (const source of [OWN, 0]) {
    assert.equal(eventsOf(datagram4(source, METADATA_IPV4, [40_000, 80], nothing)), refused('not-for-services'));
  }
});

test('addresses that are not its own, and frames for others, are refused', () => {
  assert.equal(eventsOf(datagram4(ipv4('10.88.0.11'), SERVICES, [68, 67], nothing)), refused('not-own-address'));
  assert.equal(eventsOf(datagram4(OWN, SERVICES, [68, 69], nothing)), refused('not-for-services'));
  assert.equal(eventsOf(datagram4(0, SERVICES, [40_000, 53], nothing)), refused('not-own-address'));
  assert.equal(eventsOf(datagram4(OWN, ipv4('10.88.0.11'), [40_000, 53], nothing)), refused('not-for-services'));
  assert.equal(eventsOf(datagram4(OWN, ipv4('10.88.0.11'), [68, 67], nothing)), refused('not-for-services'));
  const lldp = { destination: SERVICE_MAC, source: WEB_MAC, etherType: 0x88cc, payload: nothing };
  assert.equal(eventsOf(encodeEthernet(lldp)), refused('not-for-services'));
});

test('DNS is spoken over IPv6 too', () => {
  const ends = { source: linkLocalOf(WEB_MAC), destination: linkLocalOf(SERVICE_MAC) };
  const frameOf = (udp: Uint8Array, source = ends.source) => {
    const payload = encodeIpv6({ ...ends, source, hopLimit: 64, nextHeader: 17, payload: udp });
    return encodeEthernet({ destination: SERVICE_MAC, source: WEB_MAC, etherType: EtherType.ipv6, payload });
  };
  const query = Uint8Array.of(0xab, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const udp = encodeUdp(ends, { sourcePort: 5353, destinationPort: 53, payload: query });
  const [frame = nothing] = answerFrame(asker(), frameOf(udp)).frames;
  const answer = readDatagram(frame);
  assert.equal([answer.source, answer.destination, answer.sourcePort], [ends.destination, ends.source, 53]);
  assert.equal(eventsOf(frameOf(udp, DB.ipv6[0])), refused('not-own-address'));
  const noSum = udp.map((byte, at) => (at === 6 || at === 7 ? 0 : byte));
  assert.equal(eventsOf(frameOf(noSum)), malformed('udp', 'checksum'));
});

test('frames that are cut anywhere, too long, wrong or in pieces are malformed and answered nothing', () => {
  for (let length = 0; length < DISCOVER.length; length++) {
    const { frames, events } = answerFrame(asker(), DISCOVER.subarray(0, length));
    assert.is(frames.length, 0, `${length} bytes`);
    assert.is(events[0]?.kind, 'malformed', `${length} bytes`);
  }
  assert.equal(eventsOf(new Uint8Array(65_535)), malformed('ethernet', 'too-long'));
  const changed = (at: number, value: number) => eventsOf(DISCOVER.map((byte, index) => (index === at ? value : byte)));
  assert.equal(changed(14, 0x65), malformed('ipv4', 'field'));
  assert.equal(changed(14, 0x44), malformed('ipv4', 'field'));
  assert.equal(changed(17, 0), malformed('ipv4', 'checksum'));
  assert.equal(changed(22, 63), malformed('ipv4', 'checksum'));
  assert.equal(changed(60, 1), malformed('udp', 'checksum'));
  const piece = encodeIpv4({ source: 0, destination: BROADCAST_IPV4, protocol: 17, payload: nothing });
  // More fragments follow; the checksum that was right before is made right for it.
  piece[6] = 0x60;
  piece[10] = (piece[10] ?? 0) - 0x20;
  const framed = { destination: SERVICE_MAC, source: WEB_MAC, etherType: EtherType.ipv4, payload: piece };
  assert.equal(eventsOf(encodeEthernet(framed)), malformed('ipv4', 'fragment'));
});

test('the carry of a checksum is added until there is none (RFC 1071)', () => {
  assert.is(checksum(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x00, 0x01)), 0xfffe);
  assert.is(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03), Uint8Array.of(0xf4, 0xf5, 0xf6, 0xf7)), 0x220d);
});

test('the matches name only what is for the services', () => {
  const onlySix = { ...NETWORK, subnets: [] };
  const words = serviceMatches(NETWORK).map((match) => Object.keys(match).join(' '));
  assert.is(words.length, 18);
  assert.is(serviceMatches(onlySix).length, 14);
  assert.is(serviceMatches({ ...NETWORK, prefixes: [] }).length, 12);
  assert.ok(words.every((one) => one.startsWith('ethType ')));
});

test.run();
