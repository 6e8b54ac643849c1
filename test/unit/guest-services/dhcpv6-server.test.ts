// The DHCPv6 server: every message that a client may send (RFC 8415, 18.3), what each answer says, and what is for nobody.
import { ipv6 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Asker } from '../../../sdnd/guest-services/answers.ts';
import { answerFrame, GuestServices } from '../../../sdnd/guest-services/guest-services.ts';
import { Dhcpv6Option, Dhcpv6Status, Dhcpv6Type, decodeDhcpv6Request } from '../../../sdnd/packets/dhcpv6.ts';
import { decodeEthernet } from '../../../sdnd/packets/ethernet.ts';
import { decodeIpv6, linkLocalOf } from '../../../sdnd/packets/ipv6.ts';
import { BadPacket } from '../../../sdnd/packets/octets.ts';
import { only, readDatagram, readDhcpv6Reply } from './reading.ts';
import {
  asker,
  BARE,
  CLIENT_DUID,
  type Dhcpv6Words,
  dhcpv6Frame,
  dhcpv6Message,
  NETWORK,
  PREFIX,
  SERVER_DUID,
  SERVICE_MAC,
  TRANSACTION,
  WEB,
  WEB_MAC,
} from './small-network.ts';

const [OWN = 0n] = WEB.ipv6;
const OTHER = PREFIX | 0x99n;
const INFINITE_S = 0xffffffff;
const FOR_EVER = [OWN, INFINITE_S, INFINITE_S];
const OTHER_SERVER = Uint8Array.of(0, 3, 0, 1, 2, 0x53, 0x43, 0, 0, 2);
const LEASED = [{ kind: 'leased', portNo: 7, address: OWN }];
const NOTHING = { frames: [], events: [] };
const { solicit, advertise, request, confirm, renew, rebind, reply, release, decline, informationRequest } = Dhcpv6Type;

function answer(words: Dhcpv6Words, of: Asker = asker()) {
  return answerFrame(of, dhcpv6Frame(dhcpv6Message(words)));
}

/** The one message that answers, its ends looked at. */
function said(words: Dhcpv6Words, of: Asker = asker()) {
  const datagram = readDatagram(only(answer(words, of)));
  assert.equal([datagram.sourcePort, datagram.destinationPort], [547, 546]);
  assert.equal([datagram.fromMac, datagram.toMac], [SERVICE_MAC, WEB_MAC]);
  assert.equal([datagram.source, datagram.destination], [linkLocalOf(SERVICE_MAC), linkLocalOf(WEB_MAC)]);
  const message = readDhcpv6Reply(datagram.payload);
  assert.is(message.transaction, TRANSACTION);
  assert.equal(message.options.get(Dhcpv6Option.serverId), SERVER_DUID);
  const { clientId = CLIENT_DUID } = words;
  assert.equal(message.options.get(Dhcpv6Option.clientId), clientId ?? undefined);
  return message;
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');

test('who looks for a server is offered the address of its binding, with DNS, whatever it wishes for', () => {
  for (const wish of [[], [OTHER]]) {
    const { type, ias, options } = said({ type: solicit, ias: [wish] });
    assert.is(type, advertise);
    const [ia, ...others] = ias;
    assert.equal([ia?.id, ia?.addresses[0], ia?.status, others], [0, FOR_EVER, undefined, []]);
    assert.is(hex(options.get(Dhcpv6Option.nameServers)), 'fe80000000000000005343fffe000001');
    assert.is(hex(options.get(Dhcpv6Option.searchList)), '0473686f7008696e7465726e616c00');
  }
  assert.equal(answer({ type: solicit, ias: [[]] }).events, []);
});

test('it is leased for ever to who asks, and is to be asked for again all the same: the same server, then any', () => {
  const ways: Dhcpv6Words[] = [
    { type: request, serverId: SERVER_DUID, ias: [[OWN]] },
    { type: renew, serverId: SERVER_DUID, ias: [[OWN]] },
    { type: rebind, ias: [[OWN]] },
  ];
  for (const words of ways) {
    const { type, ias } = said(words);
    const [ia] = ias;
    assert.equal([type, ia?.addresses], [reply, [FOR_EVER]]);
    const [renewS = 0, rebindS = 0] = [ia?.renewS, ia?.rebindS];
    assert.ok(renewS > 0 && renewS < rebindS && rebindS < INFINITE_S);
    assert.equal(answer(words).events, LEASED);
  }
});

test('in two messages instead of four, if the client takes that', () => {
  const words = { type: solicit, ias: [[]], options: [[Dhcpv6Option.rapidCommit, new Uint8Array(0)]] as const };
  const { type, ias, options } = said(words);
  assert.equal([type, ias[0]?.addresses, options.has(Dhcpv6Option.rapidCommit)], [reply, [FOR_EVER], true]);
  assert.equal(answer(words).events, LEASED);
});

test('an address that is not its own, or no more, is told off; its own comes with that', () => {
  const { ias } = said({ type: renew, serverId: SERVER_DUID, ias: [[OTHER]] });
  assert.equal(ias[0]?.addresses, [FOR_EVER, [OTHER, 0, 0]]);
});

test('a second association has no address', () => {
  const [first, second, ...others] = said({ type: request, serverId: SERVER_DUID, ias: [[], [OWN]] }).ias;
  assert.equal([first?.addresses, first?.status], [[FOR_EVER], undefined]);
  assert.equal([second?.addresses, second?.status, others], [[[OWN, 0, 0]], Dhcpv6Status.noAddresses, []]);
});

test('where its network has no prefix any more a guest loses the address that it has', () => {
  const bare = asker({ ...BARE, mac: WEB_MAC });
  const { ias } = said({ type: renew, serverId: SERVER_DUID, ias: [[OWN]] }, bare);
  assert.equal([ias[0]?.addresses, ias[0]?.status], [[[OWN, 0, 0]], Dhcpv6Status.noAddresses]);
  assert.equal(answer({ type: rebind, ias: [[OWN]] }, bare).events, []);
});

test('who wakes up elsewhere hears whether its addresses are its own still', () => {
  assert.is(said({ type: confirm, ias: [[OWN]] }).status, Dhcpv6Status.success);
  assert.is(said({ type: confirm, ias: [[OWN, OTHER]] }).status, Dhcpv6Status.notOnLink);
  assert.equal(answer({ type: confirm, ias: [[]] }), NOTHING);
});

test('who only asks for DNS need not say who it is', () => {
  for (const clientId of [CLIENT_DUID, null]) {
    const { type, ias, options } = said({ type: informationRequest, clientId });
    assert.equal([type, ias, options.has(Dhcpv6Option.nameServers)], [reply, [], true]);
  }
  assert.equal(answer({ type: informationRequest, ias: [[]] }), NOTHING);
});

test('an address that is given back or declined is told, and stays bound', () => {
  for (const [type, kind] of [
    [release, 'released'],
    [decline, 'declined'],
  ] as const) {
    const words = { type, serverId: SERVER_DUID, ias: [[OWN]] };
    assert.is(said(words).status, Dhcpv6Status.success);
    assert.equal(answer(words).events, [{ kind, portNo: 7, address: OWN }]);
    assert.equal(answer({ ...words, ias: [[OTHER]] }).events, []);
  }
});

test("another server's client, who names no one, and what no client says is not answered", () => {
  const silent: Dhcpv6Words[] = [
    ...[request, renew, release, decline].map((type) => ({ type, ias: [[OWN]] })),
    ...[request, renew, release, decline, informationRequest].map((type) => ({ type, serverId: OTHER_SERVER })),
    ...[solicit, confirm, rebind].map((type) => ({ type, serverId: SERVER_DUID, ias: [[OWN]] })),
    ...[solicit, request, confirm, renew, rebind].map((type) => ({ type, clientId: null, ias: [[OWN]] })),
    ...[0, advertise, reply, 10, 13, 255].map((type) => ({ type, ias: [[OWN]] })),
  ];
  for (const words of silent) assert.equal(answer(words), NOTHING, JSON.stringify({ ...words, ias: [] }));
});

test('through a relay, in the name of another, or to one address alone nobody is answered', () => {
  const refused = (reason: string) => ({ frames: [], events: [{ kind: 'refused', portNo: 7, reason }] });
  assert.equal(answer({ type: Dhcpv6Type.relayForward }), refused('relayed'));
  const message = dhcpv6Message({ type: solicit, ias: [[]] });
  assert.equal(answerFrame(asker(), dhcpv6Frame(message, OTHER)), refused('not-own-address'));
  const unicast = dhcpv6Frame(message, linkLocalOf(WEB_MAC), linkLocalOf(SERVICE_MAC));
  assert.equal(answerFrame(asker(), unicast), refused('not-for-services'));
});

test('a message with two names, an odd name or a broken option is malformed', () => {
  const malformed = (fault: string) => ({
    frames: [],
    events: [{ kind: 'malformed', portNo: 7, protocol: 'dhcpv6', fault }],
  });
  for (const clientId of [new Uint8Array(2), new Uint8Array(131)])
    assert.equal(answer({ type: solicit, clientId }), malformed('field'));
  const twice = [[Dhcpv6Option.clientId, CLIENT_DUID]] as const;
  assert.equal(answer({ type: solicit, options: twice }), malformed('field'));
  assert.equal(answer({ type: solicit, options: [[Dhcpv6Option.ia, new Uint8Array(11)]] }), malformed('truncated'));
});

test('cut at any byte a message says less or is truncated, and nothing else happens', () => {
  const whole = dhcpv6Message({ type: renew, serverId: SERVER_DUID, ias: [[OWN, OTHER], []] });
  assert.equal(decodeDhcpv6Request(whole).ias, [
    { id: 0, addresses: [OWN, OTHER] },
    { id: 1, addresses: [] },
  ]);
  let wholes = 0;
  for (let length = 0; length < whole.length; length++) {
    try {
      decodeDhcpv6Request(whole.subarray(0, length));
      wholes++;
    } catch (error) {
      assert.ok(error instanceof BadPacket && error.fault === 'truncated', String(error));
    }
  }
  // Behind its head, and behind each of its options but the last.
  assert.is(wholes, 4);
});

test('however much a client names, the answer fits into its MTU', () => {
  const addresses = Array.from({ length: 8 }, (_, index) => PREFIX | BigInt(index + 100));
  const words = { type: rebind, clientId: new Uint8Array(130), ias: Array.from({ length: 4 }, () => addresses) };
  const { ias } = said(words);
  assert.equal(
    ias.map((ia) => ia.addresses.length),
    [5, 4, 4, 4],
  );
  const { payload } = decodeEthernet(only(answer(words)));
  assert.ok(payload.length <= NETWORK.mtuBytes, `${payload.length}`);
});

test('guests are told to ask where their network leases addresses, and then to form none', () => {
  const flags = (isIpv6Leased: boolean): (number | undefined)[] => {
    const services = new GuestServices();
    services.serve([{ ...NETWORK, isIpv6Leased }], [{ portNo: 7, tenant: 1, host: WEB }], 0);
    const [frame = new Uint8Array(0)] = services.advertisement(7);
    const { payload } = decodeIpv6(decodeEthernet(frame).payload);
    return [payload[5], payload[4 + 12 + 8 + 8 + 3]];
  };
  assert.equal(flags(false), [0, 0xc0]);
  assert.equal(flags(true), [0xc0, 0x80]);
});

test('the servers are where the standard says', () => {
  assert.is(decodeIpv6(decodeEthernet(dhcpv6Frame(new Uint8Array(4))).payload).destination, ipv6('ff02::1:2'));
});

test.run();
