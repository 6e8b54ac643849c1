// ARP, neighbour discovery and router advertisements: who is answered what, and who is not.
import { ethAddress, ipv4, ipv6 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { selfMadeAddress } from '../../../common/addresses/ipv6-address.ts';
import { METADATA_IPV4, NetworkDirectory } from '../../../sdnd/guest-services/guest-network.ts';
import { answerFrame, GuestServices } from '../../../sdnd/guest-services/guest-services.ts';
import { type ArpPacket, decodeArp, encodeArp } from '../../../sdnd/packets/arp.ts';
import { checksum, pseudoHeader } from '../../../sdnd/packets/checksum.ts';
import { BROADCAST_MAC, decodeEthernet, EtherType, encodeEthernet } from '../../../sdnd/packets/ethernet.ts';
import { IpProtocol } from '../../../sdnd/packets/ipv4.ts';
import { ALL_NODES, decodeIpv6, linkLocalOf } from '../../../sdnd/packets/ipv6.ts';
import { only } from './reading.ts';
import {
  asker,
  DB,
  DB_MAC,
  icmpv6Frame,
  NETWORK,
  PREFIX,
  ROUTER,
  SERVICE_MAC,
  SERVICES,
  solicitationFrame,
  WEB,
  WEB_MAC,
} from './small-network.ts';

const NOTHING = { frames: [], events: [] };
const OWN = ipv4('10.88.0.10');
const DB_IP = ipv4('10.88.0.11');
const NOBODY = ethAddress('00:00:00:00:00:00');

function arpFrame(words: Partial<ArpPacket>): Uint8Array {
  const request = { operation: 1, senderMac: WEB_MAC, senderIp: OWN, targetMac: NOBODY, targetIp: DB_IP };
  const payload = new Uint8Array(46);
  payload.set(encodeArp({ ...request, ...words }));
  return encodeEthernet({ destination: BROADCAST_MAC, source: WEB_MAC, etherType: EtherType.arp, payload });
}

test('who is in the network is told by ARP: VMs, services and router, the metadata address', () => {
  const known = [
    [DB_IP, DB_MAC],
    [SERVICES, SERVICE_MAC],
    [METADATA_IPV4, SERVICE_MAC],
  ] as const;
  for (const [targetIp, mac] of known) {
    const frame = decodeEthernet(only(answerFrame(asker(), arpFrame({ targetIp }))));
    assert.equal([frame.source, frame.destination, frame.etherType], [SERVICE_MAC, WEB_MAC, EtherType.arp]);
    const reply = { operation: 2, senderMac: mac, senderIp: targetIp, targetMac: WEB_MAC, targetIp: OWN };
    assert.equal(decodeArp(frame.payload), reply);
  }
});

test('a probe for an address that another has is answered; for its own, it is not', () => {
  assert.is(decodeArp(decodeEthernet(only(answerFrame(asker(), arpFrame({ senderIp: 0 })))).payload).targetIp, 0);
  assert.equal(answerFrame(asker(), arpFrame({ senderIp: 0, targetIp: OWN })), NOTHING);
  assert.equal(answerFrame(asker(), arpFrame({ targetIp: OWN })), NOTHING);
});

test('nobody answers for who is not there, nor to an answer', () => {
  assert.equal(answerFrame(asker(), arpFrame({ targetIp: ipv4('10.88.0.99') })), NOTHING);
  assert.equal(answerFrame(asker(), arpFrame({ operation: 2 })), NOTHING);
});

test("ARP in another's name is refused", () => {
  const refused = (reason: string) => ({ frames: [], events: [{ kind: 'refused', portNo: 7, reason }] });
  assert.equal(answerFrame(asker(), arpFrame({ senderMac: DB_MAC })), refused('not-own-mac'));
  assert.equal(answerFrame(asker(), arpFrame({ senderIp: DB_IP })), refused('not-own-address'));
  const spoofed = arpFrame({});
  spoofed[11] = 0x0b;
  assert.equal(answerFrame(asker(), spoofed), refused('not-own-mac'));
});

test("no VM takes the services' place", () => {
  const thief = { ...DB, ipv4: [SERVICES, METADATA_IPV4] };
  const directory = new NetworkDirectory({ ...NETWORK, hosts: [thief] });
  assert.is(directory.macOf(SERVICES), SERVICE_MAC);
  assert.is(directory.macOf(METADATA_IPV4), SERVICE_MAC);
});

/** An answer's ICMPv6 message, its ends and the MAC address that it goes to; its checksum has been looked at. */
function readIcmpv6(frame: Uint8Array) {
  const { destination: toMac, source: fromMac, payload: bytes } = decodeEthernet(frame);
  const packet = decodeIpv6(bytes);
  assert.is(packet.hopLimit, 255);
  assert.is(checksum(pseudoHeader(packet, IpProtocol.icmpv6, packet.payload.length), packet.payload), 0);
  return { toMac, fromMac, ...packet };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('a neighbour is told to who asks for it', () => {
  const [own] = WEB.ipv6;
  const target = PREFIX | 0x11n;
  const answer = readIcmpv6(only(answerFrame(asker(), solicitationFrame(own ?? 0n, target))));
  assert.equal([answer.toMac, answer.source, answer.destination], [WEB_MAC, target, own]);
  assert.is(hex(answer.payload.subarray(4, 8)), '60000000');
  assert.is(hex(answer.payload.subarray(8, 24)), `fd000088${'0'.repeat(22)}11`);
  assert.is(hex(answer.payload.subarray(24)), '020102880000000b');
});

test('who tries an address that another has is told, with all on the link; its own is free', () => {
  const taken = readIcmpv6(only(answerFrame(asker(), solicitationFrame(0n, PREFIX | 0x11n))));
  assert.equal([taken.toMac, taken.destination], ['33:33:00:00:00:01', ALL_NODES]);
  assert.is(hex(taken.payload.subarray(4, 8)), '20000000');
  assert.equal(answerFrame(asker(), solicitationFrame(0n, WEB.ipv6[0] ?? 0n)), NOTHING);
  assert.equal(answerFrame(asker(), solicitationFrame(0n, linkLocalOf(WEB_MAC))), NOTHING);
  assert.equal(answerFrame(asker(), solicitationFrame(0n, PREFIX | 0x99n)), NOTHING);
});

test('the router says that it is one, by each of its addresses', () => {
  const router = linkLocalOf(SERVICE_MAC);
  const frame = solicitationFrame(linkLocalOf(WEB_MAC), router);
  assert.is(hex(readIcmpv6(only(answerFrame(asker(), frame))).payload.subarray(4, 8)), 'e0000000');
  const routerFrame = solicitationFrame(linkLocalOf(WEB_MAC), ROUTER);
  const answer = readIcmpv6(only(answerFrame(asker(), routerFrame)));
  assert.is(hex(answer.payload.subarray(4, 8)), 'e0000000');
  assert.is(hex(answer.payload.subarray(24)), `0201${SERVICE_MAC.replaceAll(':', '')}`);
});

const ROUTER_SOLICITATION = Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0);
const ALL_ROUTERS = ipv6('ff02::2');

test('a router solicitation is answered with router, MTU, prefix and DNS', () => {
  const from = linkLocalOf(WEB_MAC);
  const answer = readIcmpv6(only(answerFrame(asker(), icmpv6Frame(from, ALL_ROUTERS, ROUTER_SOLICITATION))));
  assert.equal([answer.toMac, answer.source, answer.destination], [WEB_MAC, linkLocalOf(SERVICE_MAC), from]);
  const infinite = 'ffffffff';
  const words = [
    '4000ffff0000000000000000',
    `0101${SERVICE_MAC.replaceAll(':', '')}`,
    '0501000000000532',
    `030440c0${infinite}${infinite}00000000fd000088${'0'.repeat(24)}`,
    `19030000${infinite}fe80000000000000005343fffe000001`,
    `1f030000${infinite}0473686f7008696e7465726e616c0000`,
  ];
  assert.is(hex(answer.payload.subarray(4)), words.join(''));
});

test('an address is formed only by who would form its own, and a link without a router has none', () => {
  const services = new GuestServices();
  const flagsOf = (): number => {
    const [frame] = services.advertisement(7);
    return readIcmpv6(frame ?? new Uint8Array(0)).payload[4 + 12 + 8 + 8 + 3] ?? 0;
  };
  services.serve([NETWORK], [{ portNo: 7, tenant: 1, host: WEB }], 0);
  assert.is(flagsOf(), 0xc0);
  services.serve([NETWORK], [{ portNo: 7, tenant: 1, host: DB }], 0);
  assert.is(flagsOf(), 0x80);
  const lone = { ...NETWORK, prefixes: [{ prefix: PREFIX }] };
  services.serve([lone], [{ portNo: 7, tenant: 1, host: WEB }], 0);
  const [frame] = services.advertisement(7);
  const { payload, toMac, destination } = readIcmpv6(frame ?? new Uint8Array(0));
  assert.is(hex(payload.subarray(6, 8)), '0000');
  assert.equal([toMac, destination], ['33:33:00:00:00:01', ALL_NODES]);
  const plain = new GuestServices();
  plain.serve([NETWORK], [{ portNo: 7, tenant: 1, host: { ...WEB, ipv6: [] } }], 0);
  assert.equal(plain.advertisement(7), []);
  assert.equal(plain.advertisement(8), []);
});

test('a guest is told to leave a prefix that is its own no more, whatever has come in its place', () => {
  const services = new GuestServices();
  /** Of each prefix: its flags, how long it is good for, and its third group. */
  const told = (): string[] => {
    const [frame] = services.advertisement(7);
    const { payload } = readIcmpv6(frame ?? new Uint8Array(0));
    return Array.from(hex(payload).matchAll(/030440(..)(.{8})(.{8})00000000fd00(....)/g), (found) =>
      found.slice(1).join(' '),
    );
  };
  const serve = (prefix: bigint | undefined, host = WEB): void => {
    const own = prefix === undefined ? [] : [selfMadeAddress(prefix, host.mac)];
    const prefixes = prefix === undefined ? [] : [{ prefix, router: prefix | 1n }];
    services.serve([{ ...NETWORK, prefixes }], [{ portNo: 7, tenant: 1, host: { ...host, ipv6: own } }], 0);
  };
  const other = ipv6('fd00:99::');
  serve(PREFIX);
  serve(other);
  assert.equal(told(), ['c0 ffffffff ffffffff 0099', 'c0 00000000 00000000 0088']);
  serve(undefined);
  assert.equal(told(), ['c0 00000000 00000000 0088', 'c0 00000000 00000000 0099']);
  serve(PREFIX);
  assert.equal(told(), ['c0 ffffffff ffffffff 0088', 'c0 00000000 00000000 0099']);
  serve(PREFIX, { ...WEB, mac: DB_MAC });
  assert.equal(told(), ['c0 ffffffff ffffffff 0088']);
});

test('solicitations that have crossed a router, or contradict themselves, are malformed', () => {
  const own = WEB.ipv6[0] ?? 0n;
  const malformed = [{ kind: 'malformed', portNo: 7, protocol: 'icmpv6', fault: 'field' }];
  const events = (frame: Uint8Array) => answerFrame(asker(), frame).events;
  assert.equal(events(icmpv6Frame(own, ALL_ROUTERS, ROUTER_SOLICITATION, 254)), malformed);
  const emptyOption = Uint8Array.of(...ROUTER_SOLICITATION, 1, 0, 0, 0, 0, 0, 0, 0);
  assert.equal(events(icmpv6Frame(own, ALL_ROUTERS, emptyOption)), malformed);
  const named = Uint8Array.of(...ROUTER_SOLICITATION, 1, 1, 2, 0x88, 0, 0, 0, 0x0a);
  assert.equal(events(icmpv6Frame(own, ALL_ROUTERS, named)), []);
  assert.equal(events(icmpv6Frame(0n, ALL_ROUTERS, named)), malformed);
  const wrongSum = icmpv6Frame(own, ALL_ROUTERS, ROUTER_SOLICITATION);
  wrongSum[14 + 40 + 3] = (wrongSum[14 + 40 + 3] ?? 0) ^ 1;
  assert.equal(events(wrongSum), [{ kind: 'malformed', portNo: 7, protocol: 'icmpv6', fault: 'checksum' }]);
});

test('the address that a host forms by itself is the one of RFC 2464', () => {
  const mac = ethAddress('34:56:78:9a:bc:de');
  assert.is(selfMadeAddress(0n, mac), 0x365678fffe9abcden);
  assert.is(linkLocalOf(mac), ipv6('fe80::3656:78ff:fe9a:bcde'));
});

test.run();
