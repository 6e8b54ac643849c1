// DNS for a guest's own network: names, addresses turned round, what is not there, what is not for it to say, and queries
// that are none.

import { ipv4 } from '@openflow/ofp';
import { type Answer, decode, encode, type Packet, type Question } from 'dns-packet';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { answerDns } from '../../../sdnd/guest-services/dns-responder.ts';
import { NetworkDirectory } from '../../../sdnd/guest-services/guest-network.ts';
import { answerFrame } from '../../../sdnd/guest-services/guest-services.ts';
import { only, readDatagram } from './reading.ts';
import { asker, DB, datagram4, NETWORK, SERVICES, WEB, WEB_MAC } from './small-network.ts';

const directory = new NetworkDirectory(NETWORK);
const AUTHORITY = 0x0400;
const RECURSION_WANTED = 0x0100;

function query(name: string, type: string, more: Packet = {}): Uint8Array {
  const question: Question = { name, type: type as Question['type'] };
  return encode({ type: 'query', id: 0xabcd, flags: RECURSION_WANTED, questions: [question], ...more });
}

function ask(payload: Uint8Array, where = directory) {
  const reply = answerDns(where, payload)?.payload ?? new Uint8Array(0);
  const {
    id,
    flags = 0,
    questions = [],
    answers = [],
    authorities = [],
    additionals = [],
  } = decode(Buffer.from(reply));
  assert.is(id, 0xabcd);
  return { code: flags & 0xf, flags: flags & ~0xf, questions, answers, authorities, additionals, bytes: reply.length };
}

const dataOf = (answers: readonly Answer[]): unknown[] => answers.map((one) => ('data' in one ? one.data : undefined));
const typesOf = (answers: readonly Answer[]): string[] => answers.map(({ type }) => type);

test('a VM is found by name, whatever the case, with authority', () => {
  const { code, flags, answers, questions } = ask(query('wEb.Shop.internal', 'A'));
  assert.is(code, 0);
  assert.is(flags, AUTHORITY | RECURSION_WANTED);
  assert.is(questions[0]?.name, 'wEb.Shop.internal');
  assert.equal(dataOf(answers), ['10.88.0.10', '10.88.0.20']);
  assert.equal(dataOf(ask(query('db.shop.internal', 'AAAA')).answers), ['fd00:88::11']);
});

test('an address is turned into its name', () => {
  assert.equal(dataOf(ask(query('11.0.88.10.in-addr.arpa', 'PTR')).answers), ['db.shop.internal']);
  const six = `${[...'fd000088000000000000000000000011'].reverse().join('.')}.ip6.arpa`;
  assert.equal(dataOf(ask(query(six, 'PTR')).answers), ['db.shop.internal']);
});

test('who asks for any record gets one kind', () => {
  assert.equal(new Set(typesOf(ask(query('web.shop.internal', 'ANY')).answers)), new Set(['A']));
});

test('what is not there is denied with authority: the name, or this kind of record', () => {
  const cases: [string, string, number, string][] = [
    ['nobody.shop.internal', 'A', 3, 'shop.internal'],
    ['a.web.shop.internal', 'A', 3, 'shop.internal'],
    ['web.shop.internal', 'MX', 0, 'shop.internal'],
    ['bare.shop.internal', 'A', 0, 'shop.internal'],
    ['shop.internal', 'A', 0, 'shop.internal'],
    ['99.0.88.10.in-addr.arpa', 'PTR', 3, '0.88.10.in-addr.arpa'],
    ['11.0.88.10.in-addr.arpa', 'A', 0, '0.88.10.in-addr.arpa'],
  ];
  for (const [name, type, rcode, zone] of cases) {
    const { code, flags, answers, authorities } = ask(query(name, type));
    assert.equal([code, answers.length, flags & AUTHORITY], [rcode, 0, AUTHORITY], name);
    assert.equal([authorities[0]?.type, authorities[0]?.name], ['SOA', zone], name);
  }
});

test('other names are refused, and told', () => {
  for (const name of ['example.org', 'xshop.internal', '1.2.0.192.in-addr.arpa', '.']) {
    const { code, flags, authorities } = ask(query(name, 'A'));
    assert.equal([code, flags & AUTHORITY, authorities.length], [5, 0, 0], name);
  }
  const frame = datagram4(ipv4('10.88.0.10'), SERVICES, [5353, 53], query('example.org', 'A'));
  const told = [{ kind: 'name-beyond', portNo: 7, name: 'example.org', type: 'A' }];
  assert.equal(answerFrame(asker(), frame).events, told);
  assert.is(
    ask(query('web.shop.internal', 'A', { questions: [{ name: 'web.shop.internal', type: 'A', class: 'CH' }] })).code,
    5,
  );
});

test('EDNS is spoken where it was spoken, version 0 alone', () => {
  const opt = (ednsVersion: number, udpPayloadSize: number): Answer => ({
    ...{ type: 'OPT', name: '.', udpPayloadSize, ednsVersion, extendedRcode: 0, flags: 0, flag_do: false, options: [] },
  });
  const known = ask(query('web.shop.internal', 'A', { additionals: [opt(0, 4096)] }));
  assert.equal(typesOf(known.additionals), ['OPT']);
  assert.is(known.answers.length, 2);
  const [badVersion] = ask(query('web.shop.internal', 'A', { additionals: [opt(1, 4096)] })).additionals;
  assert.is(badVersion?.type === 'OPT' && badVersion.extendedRcode, 1);
  const another: Answer = { type: 'A', name: 'x.org', data: '192.0.2.1' };
  assert.is(ask(query('web.shop.internal', 'A', { additionals: [another] })).code, 1);
});

test('an answer that the client would not take whole says so', () => {
  const many = { ...DB, name: 'many'.repeat(10), ipv6: Array.from({ length: 12 }, (_, at) => BigInt(at) << 64n) };
  const where = new NetworkDirectory({ ...NETWORK, hosts: [many] });
  const cut = ask(query(`${many.name}.shop.internal`, 'AAAA'), where);
  assert.equal([cut.answers.length, cut.flags & 0x0200], [0, 0x0200]);
  assert.ok(cut.bytes <= 512);
  const opt: Answer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    ednsVersion: 0,
    extendedRcode: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  const whole = ask(query(`${many.name}.shop.internal`, 'AAAA', { additionals: [opt] }), where);
  assert.equal([whole.answers.length, whole.flags & 0x0200], [12, 0]);
  assert.ok(whole.bytes <= 1232);
});

test('a host of more addresses than an answer holds is refused', () => {
  const six = Array.from({ length: 13 }, (_, at) => BigInt(at));
  assert.throws(() => new NetworkDirectory({ ...NETWORK, hosts: [{ ...DB, ipv6: six }] }), /more than 12 addresses/);
});

test('what asks nothing gets nothing; what cannot be read is answered with an error', () => {
  assert.is(answerDns(directory, new Uint8Array(11)), undefined);
  assert.is(answerDns(directory, encode({ type: 'response', id: 1 })), undefined);
  const plain = query('web.shop.internal', 'A');
  const changed = (at: number, value: number): number =>
    ask(plain.map((byte, index) => (index === at ? value : byte))).code;
  assert.is(changed(2, 0x29), 4, 'another operation');
  assert.is(changed(5, 2), 1, 'two questions promised');
  assert.is(changed(7, 1), 1, 'an answer promised');
  assert.is(changed(11, 1), 1, 'an additional record promised');
  assert.is(changed(12, 0xc0), 1, 'a pointer');
  assert.is(changed(14, '.'.charCodeAt(0)), 1, 'a dot in a label');
  assert.is(changed(14, 0xff), 1, 'no text');
  assert.is(ask(plain.subarray(0, -1)).code, 1, 'cut');
  assert.is(changed(plain.length - 1, 9), 5, 'a class without a name');
});

test('the answer goes back where the question came from', () => {
  const payload = query('db.shop.internal', 'A');
  const own = ipv4('10.88.0.20');
  const answer = readDatagram(only(answerFrame(asker(), datagram4(own, SERVICES, [5353, 53], payload))));
  assert.equal([answer.source, answer.destination, answer.toMac], [SERVICES, own, WEB_MAC]);
  assert.equal([answer.sourcePort, answer.destinationPort], [53, 5353]);
  const stranger = answerFrame(asker(), datagram4(ipv4('10.88.0.11'), SERVICES, [5353, 53], payload));
  assert.equal(stranger.events, [{ kind: 'refused', portNo: 7, reason: 'not-own-address' }]);
  assert.is(WEB.ipv4[1], own);
});

test.run();
