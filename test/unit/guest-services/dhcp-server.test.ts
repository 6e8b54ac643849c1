// The DHCP server: every message of RFC 2131's table, what each answer says and where it goes; who is refused.
import { ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { answerFrame } from '../../../sdnd/guest-services/guest-services.ts';
import { DhcpOption, DhcpType } from '../../../sdnd/packets/dhcp.ts';
import { BROADCAST_MAC } from '../../../sdnd/packets/ethernet.ts';
import { BROADCAST_IPV4 } from '../../../sdnd/packets/ipv4.ts';
import { only, readDatagram, readDhcpReply } from './reading.ts';
import {
  asker,
  BARE,
  DB_MAC,
  type DhcpWords,
  datagram4,
  dhcpFrame,
  dhcpMessage,
  NETWORK,
  SERVICE_MAC,
  SERVICES,
  WEB,
  WEB_MAC,
  XID,
} from './small-network.ts';

const OWN = ipv4('10.88.0.10');
const OTHER = ipv4('10.88.0.99');

function reply(words: DhcpWords) {
  const datagram = readDatagram(only(answerFrame(asker(), dhcpFrame(words))));
  assert.is(datagram.source, SERVICES);
  assert.is(datagram.fromMac, SERVICE_MAC);
  assert.equal([datagram.sourcePort, datagram.destinationPort], [67, 68]);
  const message = readDhcpReply(datagram.payload);
  assert.is(message.xid, XID);
  assert.is(message.mac, WEB_MAC);
  assert.equal([...(message.options.get(DhcpOption.serverId) ?? [])], [10, 88, 0, 1]);
  return { ...datagram, ...message };
}

const events = (words: DhcpWords) => answerFrame(asker(), dhcpFrame(words)).events;

test('an offer says the bound address and all that a guest needs, for ever', () => {
  const { type, yourAddress, toMac, destination, options, payload } = reply({ type: DhcpType.discover });
  assert.is(type, DhcpType.offer);
  assert.is(yourAddress, OWN);
  assert.is(toMac, WEB_MAC);
  assert.is(destination, OWN);
  assert.ok(payload.length >= 300, 'not shorter than BOOTP allows');
  const said = Object.fromEntries([...options].map(([code, value]) => [code, [...value]]));
  const text = (words: string): number[] => [...new TextEncoder().encode(words)];
  assert.equal(said, {
    1: [255, 255, 255, 0],
    3: [10, 88, 0, 1],
    6: [10, 88, 0, 1],
    12: text('web'),
    15: text('shop.internal'),
    26: [1330 >> 8, 1330 & 0xff],
    51: [255, 255, 255, 255],
    53: [DhcpType.offer],
    54: [10, 88, 0, 1],
    121: [32, 169, 254, 169, 254, 0, 0, 0, 0, 0, 10, 88, 0, 1],
  });
});

test('a request for the bound address is granted: chosen, after a reboot, renewing, rebinding', () => {
  const leased = [{ kind: 'leased', portNo: 7, address: OWN }];
  const ways: DhcpWords[] = [
    { type: DhcpType.request, requested: OWN, serverId: SERVICES },
    { type: DhcpType.request, requested: OWN },
    { type: DhcpType.request, clientAddress: OWN },
  ];
  for (const words of ways) {
    const { type, yourAddress, destination, clientAddress } = reply(words);
    assert.is(type, DhcpType.ack);
    assert.is(yourAddress, OWN);
    assert.is(destination, OWN);
    assert.is(clientAddress, words.clientAddress ?? 0);
    assert.equal(events(words), leased);
  }
});

test('a request for another address is refused to all on the link, and says why', () => {
  for (const words of [{ requested: OTHER, serverId: SERVICES }, { requested: OTHER }]) {
    const { type, yourAddress, toMac, destination, options, flags } = reply({ type: DhcpType.request, ...words });
    assert.is(type, DhcpType.nak);
    assert.is(yourAddress, 0);
    assert.is(toMac, BROADCAST_MAC);
    assert.is(destination, BROADCAST_IPV4);
    assert.is(flags, 0x8000);
    assert.ok(options.has(DhcpOption.message));
    assert.not.ok(options.has(DhcpOption.leaseTime));
  }
});

test('a second address that is its own, and cannot be leased, is refused by an answer', () => {
  const second = ipv4('10.88.0.20');
  assert.is(reply({ type: DhcpType.request, clientAddress: second }).type, DhcpType.nak);
});

test('who cannot yet hear its own address is answered by broadcast', () => {
  const { toMac, destination, yourAddress } = reply({ type: DhcpType.discover, isBroadcast: true });
  assert.equal([toMac, destination, yourAddress], [BROADCAST_MAC, BROADCAST_IPV4, OWN]);
});

test('who has its address hears the rest, and no lease', () => {
  const { type, yourAddress, clientAddress, destination, options } = reply({
    type: DhcpType.inform,
    clientAddress: OWN,
  });
  assert.is(type, DhcpType.ack);
  assert.equal([yourAddress, clientAddress, destination], [0, OWN, OWN]);
  assert.not.ok(options.has(DhcpOption.leaseTime));
  assert.ok(options.has(DhcpOption.mtu));
  assert.equal(events({ type: DhcpType.inform, clientAddress: OWN }), []);
});

test('a client identifier is said again, also one that came in parts', () => {
  const long = new Uint8Array(300).fill(7);
  const { options } = reply({
    type: DhcpType.discover,
    options: [
      [DhcpOption.clientId, Uint8Array.of(255, 1, 2)],
      [DhcpOption.pad, new Uint8Array(0)],
    ],
  });
  assert.equal([...(options.get(DhcpOption.clientId) ?? [])], [255, 1, 2]);
  const parts = reply({
    type: DhcpType.discover,
    options: [
      [DhcpOption.clientId, long.subarray(0, 255)],
      [DhcpOption.clientId, long.subarray(255)],
    ],
  });
  assert.is(parts.options.get(DhcpOption.clientId)?.length, 45, 'the last of two parts');
});

test('decline and release are told and not answered', () => {
  const decline = { type: DhcpType.decline, requested: OWN, serverId: SERVICES };
  assert.equal(answerFrame(asker(), dhcpFrame(decline)), {
    frames: [],
    events: [{ kind: 'declined', portNo: 7, address: OWN }],
  });
  const release = { type: DhcpType.release, clientAddress: OWN, serverId: SERVICES };
  assert.equal(answerFrame(asker(), dhcpFrame(release)), {
    frames: [],
    events: [{ kind: 'released', portNo: 7, address: OWN }],
  });
});

test("another server's client, other messages and what is not bound get nothing", () => {
  const nothing = { frames: [], events: [] };
  const words = { type: DhcpType.request, requested: OWN };
  assert.equal(answerFrame(asker(), dhcpFrame({ ...words, serverId: OTHER })), nothing);
  assert.equal(answerFrame(asker(), dhcpFrame({ type: 13 })), nothing);
  const refused = (reason: string) => [{ kind: 'refused', portNo: 7, reason }];
  assert.equal(events({ ...words, mac: DB_MAC }), refused('not-own-mac'));
  assert.equal(events({ ...words, relay: OTHER }), refused('relayed'));
  assert.equal(events({ type: DhcpType.decline, requested: OTHER }), refused('not-own-address'));
  const unbound = { ...BARE, mac: WEB_MAC };
  assert.equal(answerFrame(asker(unbound), dhcpFrame(words)).events, refused('nothing-bound'));
  const onlySix = { ...NETWORK, subnets: [] };
  assert.equal(answerFrame(asker(WEB, onlySix), dhcpFrame(words)).events, refused('nothing-bound'));
});

test('options that go on in the file and name fields count', () => {
  const message = dhcpMessage({ type: DhcpType.request, options: [[DhcpOption.overload, Uint8Array.of(3)]] });
  message.set([DhcpOption.requestedAddress, 2, 10, 88, 255], 108);
  message.set([DhcpOption.requestedAddress, 2, 0, 10, 255], 44);
  const frame = datagram4(0, BROADCAST_IPV4, [68, 67], message);
  assert.is(readDhcpReply(readDatagram(only(answerFrame(asker(), frame))).payload).type, DhcpType.ack);
});

test('a message without a type, or with a broken option, is malformed', () => {
  const malformed = (fault: string) => [{ kind: 'malformed', portNo: 7, protocol: 'dhcp', fault }];
  const untyped = dhcpMessage({ type: DhcpType.discover });
  untyped[240] = 200;
  const odd = dhcpMessage({ type: DhcpType.request, options: [[DhcpOption.requestedAddress, Uint8Array.of(1, 2)]] });
  const cut = dhcpMessage({ type: DhcpType.discover, options: [[DhcpOption.hostName, Uint8Array.of(1, 2, 3)]] });
  const says = (message: Uint8Array) => answerFrame(asker(), datagram4(0, BROADCAST_IPV4, [68, 67], message)).events;
  assert.equal(says(untyped), malformed('field'));
  assert.equal(says(odd), malformed('field'));
  assert.equal(says(cut.subarray(0, -3)), malformed('truncated'));
});

test.run();
