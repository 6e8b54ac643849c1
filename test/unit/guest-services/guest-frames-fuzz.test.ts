// What a guest sends, changed at random in its bytes: answered to itself alone, in a frame that its own software could
// read, or told, and never an exception.

import { ipv6 } from '@openflow/ofp';
import { encode, type Question } from 'dns-packet';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../../sdnd/guest-services/answers.ts';
import { METADATA_IPV4 } from '../../../sdnd/guest-services/guest-network.ts';
import { answerFrame } from '../../../sdnd/guest-services/guest-services.ts';
import { decodeArp, encodeArp } from '../../../sdnd/packets/arp.ts';
import { checksum, pseudoHeader } from '../../../sdnd/packets/checksum.ts';
import { DhcpType } from '../../../sdnd/packets/dhcp.ts';
import { Dhcpv6Option, Dhcpv6Type } from '../../../sdnd/packets/dhcpv6.ts';
import {
  BROADCAST_MAC,
  decodeEthernet,
  EtherType,
  encodeEthernet,
  multicastMac,
} from '../../../sdnd/packets/ethernet.ts';
import { decodeIpv4 } from '../../../sdnd/packets/ipv4.ts';
import { ALL_NODES, decodeIpv6, linkLocalOf } from '../../../sdnd/packets/ipv6.ts';
import { decodeTcp, TcpFlag } from '../../../sdnd/packets/tcp.ts';
import { decodeUdp } from '../../../sdnd/packets/udp.ts';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { mendedFrame } from './mended-frame.ts';
import { readDhcpReply, readDhcpv6Reply } from './reading.ts';
import { RECORDED_FRAMES } from './recorded-frames.ts';
import {
  asker,
  DB_MAC,
  datagram4,
  dhcpFrame,
  dhcpv6Frame,
  dhcpv6Message,
  icmpv6Frame,
  metadataFrame,
  NETWORK,
  PREFIX,
  ROUTER,
  SERVER_DUID,
  SERVICE_MAC,
  SERVICES,
  solicitationFrame,
  WEB,
  WEB_MAC,
} from './small-network.ts';

const [OWN = 0] = WEB.ipv4;
const [OWN_IPV6 = 0n] = WEB.ipv6;
const WEB_ASKER = asker();

function question(name: string, type: Question['type']): Uint8Array {
  return datagram4(OWN, SERVICES, [5353, 53], encode({ type: 'query', id: 1, questions: [{ name, type }] }));
}

function arp(targetIp: number): Uint8Array {
  const payload = encodeArp({ operation: 1, senderMac: WEB_MAC, senderIp: OWN, targetMac: SERVICE_MAC, targetIp });
  return encodeEthernet({ destination: BROADCAST_MAC, source: WEB_MAC, etherType: EtherType.arp, payload });
}

const ECHO = Uint8Array.of(128, 0, 0, 0, 0x12, 0x34, 0, 7, 1, 2, 3, 4);

const MADE_FRAMES: readonly Uint8Array[] = [
  dhcpFrame({ type: DhcpType.discover }),
  dhcpFrame({ type: DhcpType.request, requested: OWN, serverId: SERVICES }),
  dhcpFrame({ type: DhcpType.request, requested: OWN + 1 }),
  dhcpFrame({ type: DhcpType.request, clientAddress: OWN }),
  dhcpFrame({ type: DhcpType.inform, clientAddress: OWN }),
  dhcpFrame({ type: DhcpType.release, clientAddress: OWN }),
  dhcpFrame({ type: DhcpType.decline, requested: OWN }),
  ...[
    { type: Dhcpv6Type.solicit, ias: [[]] },
    { type: Dhcpv6Type.solicit, ias: [[]], options: [[Dhcpv6Option.rapidCommit, new Uint8Array(0)]] as const },
    { type: Dhcpv6Type.request, serverId: SERVER_DUID, ias: [[OWN_IPV6], [PREFIX | 9n]] },
    { type: Dhcpv6Type.renew, serverId: SERVER_DUID, ias: [[OWN_IPV6, PREFIX | 9n]] },
    { type: Dhcpv6Type.rebind, ias: [[OWN_IPV6]] },
    { type: Dhcpv6Type.confirm, ias: [[OWN_IPV6]] },
    { type: Dhcpv6Type.release, serverId: SERVER_DUID, ias: [[OWN_IPV6]] },
    { type: Dhcpv6Type.informationRequest },
  ].map((words) => dhcpv6Frame(dhcpv6Message(words))),
  arp(SERVICES),
  arp(OWN + 1),
  question('db.shop.internal', 'AAAA'),
  question('11.0.88.10.in-addr.arpa', 'PTR'),
  question('example.org', 'A'),
  solicitationFrame(OWN_IPV6, PREFIX | 0x11n),
  solicitationFrame(0n, PREFIX | 0x11n),
  icmpv6Frame(OWN_IPV6, ROUTER, ECHO, 64),
  icmpv6Frame(OWN_IPV6, PREFIX | (1n << 64n) | 9n, ECHO, 1),
  icmpv6Frame(OWN_IPV6, ipv6('2001:db8::1'), ECHO, 64),
  icmpv6Frame(
    linkLocalOf(WEB_MAC),
    ipv6('ff02::2'),
    Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0x88, 0, 0, 0, 10),
  ),
  datagram4(OWN, METADATA_IPV4, [40_000, 80], new Uint8Array(20)),
  metadataFrame({ flags: TcpFlag.syn }),
  metadataFrame({ payload: Buffer.from('GET /latest/meta-data/local-ipv4 HTTP/1.1\r\nHost: a\r\n\r\n') }),
  metadataFrame({ flags: TcpFlag.ack | TcpFlag.fin }),
];
const FRAMES = [...MADE_FRAMES, ...RECORDED_FRAMES];

const ODD_BYTES = [0, 1, 2, 0x35, 0x3f, 0x7f, 0x80, 0xc0, 0xfe, 0xff];

/** One change: bytes set, cut out, doubled, cut off, added, or the end of another frame. */
function changedOnce(random: () => number, frame: Uint8Array): Uint8Array {
  const below = (count: number): number => Math.floor(random() * count);
  // Most below the MAC addresses: a frame in another's name goes no further.
  const at = Math.min(frame.length, random() < 0.05 ? below(14) : 12 + below(Math.max(1, frame.length - 12)));
  const [head, tail] = [frame.subarray(0, at), frame.subarray(at)];
  const other = FRAMES[below(FRAMES.length)] ?? frame;
  const kind = below(10);
  if (kind < 4) return Uint8Array.of(...head, below(256), ...tail.subarray(1));
  if (kind < 6) return Uint8Array.of(...head, ODD_BYTES[below(ODD_BYTES.length)] ?? 0, ...tail.subarray(1));
  if (kind === 6) return Uint8Array.of(...head, ...tail.subarray(1 + below(8)));
  if (kind === 7) return Uint8Array.of(...head, ...tail.subarray(0, 1 + below(64)), ...tail);
  if (kind === 8) return random() < 0.5 ? head.slice() : Uint8Array.of(...frame, ...new Uint8Array(below(1600)));
  return Uint8Array.of(...head, ...other.subarray(at));
}

function changed(random: () => number): Uint8Array {
  let frame = FRAMES[Math.floor(random() * FRAMES.length)] ?? new Uint8Array(0);
  for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) frame = changedOnce(random, frame);
  return random() < 0.8 ? mendedFrame(frame) : frame;
}

/** What every frame to a guest must be. Answers what it is. */
function judge(frame: Uint8Array): string {
  const { source, destination, etherType, payload } = decodeEthernet(frame);
  assert.is(source, SERVICE_MAC);
  assert.ok([WEB_MAC, BROADCAST_MAC, multicastMac(ALL_NODES)].includes(destination), destination);
  assert.ok(payload.length <= NETWORK.mtuBytes, `${payload.length} bytes`);
  if (etherType === EtherType.arp) return judgeArp(payload);
  if (etherType === EtherType.ipv4) return judgeIpv4(payload);
  assert.is(etherType, EtherType.ipv6);
  const packet = decodeIpv6(payload);
  if (packet.nextHeader === 17) return judgeUdpOverIpv6(packet);
  assert.is(packet.nextHeader, 58);
  assert.is(checksum(pseudoHeader(packet, 58, packet.payload.length), packet.payload), 0);
  return `icmpv6 ${packet.payload[0]}`;
}

function judgeUdpOverIpv6(packet: ReturnType<typeof decodeIpv6>): string {
  const { sourcePort, payload } = decodeUdp(packet, packet.payload);
  if (sourcePort === 53) return 'dns over ipv6';
  const { type, ias } = readDhcpv6Reply(payload);
  const good = ias.flatMap(({ addresses }) => addresses.filter(([, , validS]) => validS > 0));
  assert.ok(
    good.every(([address]) => address === OWN_IPV6) && good.length <= 1,
    'no address but its own is given, once',
  );
  return `dhcpv6 ${type}`;
}

function judgeArp(payload: Uint8Array): string {
  const { operation, senderMac, targetMac } = decodeArp(payload);
  assert.is(targetMac, WEB_MAC);
  assert.ok(senderMac === SERVICE_MAC || senderMac === DB_MAC, senderMac);
  return `arp ${operation}`;
}

function judgeIpv4(payload: Uint8Array): string {
  const packet = decodeIpv4(payload);
  const { source, protocol } = packet;
  assert.ok(source === SERVICES || source === METADATA_IPV4, `from ${source}`);
  if (protocol === 1) return source === SERVICES ? 'icmp of the router' : 'ping';
  if (source === METADATA_IPV4) return `tcp ${tcpFlags(packet)}`;
  const { sourcePort, payload: message } = decodeUdp(packet, packet.payload);
  if (sourcePort === 53) return 'dns 53';
  const { yourAddress, type, mac } = readDhcpReply(message);
  assert.is(mac, WEB_MAC);
  assert.ok(yourAddress === OWN || yourAddress === 0, 'no address but its own is given');
  return `dhcp ${type}`;
}

function tcpFlags(packet: ReturnType<typeof decodeIpv4>): number {
  const { flags, payload } = decodeTcp(packet, packet.payload);
  if (payload.length > 0) assert.match(Buffer.from(payload).toString('latin1'), /^HTTP\/1\.1 /);
  return flags;
}

function sayings({ events }: Answer): string[] {
  return events.map((event) => {
    if (event.kind === 'malformed') return `malformed ${event.protocol} ${event.fault}`;
    return event.kind === 'refused' ? `refused ${event.reason}` : event.kind;
  });
}

test('changed frames are answered to their guest alone, told or passed over', () => {
  const random = seededRandom(fuzzSeed());
  const seen = new Map<string, number>();
  const inputs = fuzzInputs(20_000);
  for (let input = 0; input < inputs; input++) {
    const frame = changed(random);
    const before = frame.slice();
    const answer = answerFrame(WEB_ASKER, frame);
    assert.ok(Buffer.from(frame).equals(before), 'a frame is not written to');
    assert.ok(answer.frames.length <= 1 && answer.events.length <= 1);
    if (Buffer.from(frame.subarray(6, 12)).toString('hex') !== WEB_MAC.replaceAll(':', ''))
      assert.is(answer.frames.length, 0, "a frame in another's name is not answered");
    for (const kind of [...answer.frames.map(judge), ...sayings(answer)]) seen.set(kind, (seen.get(kind) ?? 0) + 1);
  }
  const answered = [
    'arp 2',
    'dhcp 2',
    'dhcp 5',
    'dhcp 6',
    'dhcpv6 2',
    'dhcpv6 7',
    'dns 53',
    'icmpv6 1',
    'icmpv6 129',
    'icmpv6 3',
    'icmpv6 134',
    'icmpv6 136',
    'ping',
    'tcp 18',
    'tcp 25',
    'tcp 16',
  ];
  const told = ['leased', 'released', 'declined', 'name-beyond', 'refused not-own-address'];
  const wrong = ['arp', 'ethernet', 'ipv4', 'ipv6', 'icmpv6', 'udp', 'tcp', 'dhcp', 'dhcpv6'].map(
    (protocol) => `malformed ${protocol} `,
  );
  for (const kind of [...answered, ...told, ...wrong]) {
    assert.ok(
      [...seen.keys()].some((one) => one.startsWith(kind)),
      `some were: ${kind}`,
    );
  }
});

test('what real clients sent is answered or handed on, as it is', () => {
  for (const frame of RECORDED_FRAMES) {
    const { frames, events } = answerFrame(WEB_ASKER, frame);
    for (const one of frames) judge(one);
    assert.ok(
      !events.some(({ kind }) => kind === 'malformed' || kind === 'refused'),
      Buffer.from(frame).toString('hex'),
    );
  }
});

test('rubbish of any length is never answered', () => {
  const random = seededRandom(fuzzSeed() + 1);
  for (let input = 0; input < fuzzInputs(5_000); input++) {
    const frame = Uint8Array.from({ length: Math.floor(random() * 120) }, () => Math.floor(random() * 256));
    assert.equal(answerFrame(WEB_ASKER, frame).frames, []);
  }
});

test.run();
