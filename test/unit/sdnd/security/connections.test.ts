// What goes with a guest that moves: a switch's connections as it tells them, the answers on them at the next switch, and that
// they are forgotten again.
import { encode, ethAddress, ipv4, ipv6 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ipv6Words } from '../../../../common/addresses/ipv6-address.ts';
import { linkLocalOf } from '../../../../sdnd/packets/ipv6.ts';
import { CARRIED_SEC, Table } from '../../../../sdnd/pipeline.ts';
import { answerMatch } from '../../../../sdnd/security/answer-match.ts';
import { connectionsIn } from '../../../../sdnd/security/connection-dump.ts';
import { forgetZone } from '../../../../sdnd/security/forget-zone.ts';
import { PortConnections } from '../../../../sdnd/security/port-connections.ts';
import type { GuestConnection } from '../../../../wire/contracts/security-groups.ts';
import { Fixture, settle } from '../controller-fixture.ts';
import { bindingOf } from '../overlay-maker.ts';

const MIGRATION = '0000000000000001';
const GUEST = bindingOf('g0', 'n0');
const FAR = { address: '203.0.113.9', port: 443 };
const NEAR = { address: GUEST.ip, port: 40_000 };
const OPENED: GuestConnection = { protocol: 'tcp', from: NEAR, to: FAR };
const ROUTED = ipv6('fd00:88::88:ff:fe00:1');
const OWN = { ip: GUEST.ip, ipv6: [linkLocalOf(ethAddress(GUEST.mac)), ROUTED] };

const DUMP = [
  'tcp,orig=(src=10.88.0.1,dst=203.0.113.9,sport=40000,dport=443),reply=(src=203.0.113.9,dst=10.88.0.1,sport=443,dport=40000),zone=4096,protoinfo=(state=ESTABLISHED)',
  'udp,orig=(src=203.0.113.9,dst=10.88.0.1,sport=53,dport=5000),reply=(src=10.88.0.1,dst=203.0.113.9,sport=5000,dport=53),zone=4096,mark=1',
  'tcp,orig=(src=10.88.0.1,dst=203.0.113.9,sport=1,dport=2),reply=(src=203.0.113.9,dst=10.88.0.1,sport=2,dport=1),zone=4096,protoinfo=(state=TIME_WAIT)',
  'tcp,orig=(src=10.88.0.1,dst=203.0.113.9,sport=3,dport=4),reply=(src=203.0.113.9,dst=10.88.0.1,sport=4,dport=3),zone=40960,protoinfo=(state=ESTABLISHED)',
  'icmp,orig=(src=10.88.0.1,dst=203.0.113.9,id=5,type=8,code=0),reply=(src=203.0.113.9,dst=10.88.0.1,id=5,type=0,code=0),zone=4096',
  'rubbish',
  '',
].join('\n');

test('of a dump the connections of one zone are read that are not over, from the end that opened them', () => {
  const { connections, left } = connectionsIn(DUMP, 4096, 10);
  assert.equal(connections, [
    OPENED,
    { protocol: 'udp', from: { address: '10.88.0.1', port: 5000 }, to: { address: '203.0.113.9', port: 53 } },
  ]);
  assert.is(left, 0);
  assert.equal(connectionsIn(DUMP, 4096, 1), { connections: [OPENED], left: 1 });
});

test("the switch daemon is asked for one port's zone, in the datapath of this node", async () => {
  const asked: string[][] = [];
  const run = async (...words: string[]): Promise<string> => {
    asked.push(words);
    return DUMP;
  };
  const { connections } = await new PortConnections({ run, datapathType: 'netdev' }).list(4096);
  assert.is(connections.length, 2);
  assert.equal(asked, [['dpctl/dump-conntrack', 'netdev@ovs-netdev', 'zone=4096']]);
});

test('so much is remembered of each port, and of all others together', async () => {
  const asked: string[][] = [];
  const run = async (...words: string[]): Promise<string> => {
    asked.push(words);
    return '';
  };
  await new PortConnections({ run, datapathType: 'system' }).limit([4096, 4097]);
  const zones = ['zone=4096,limit=32768', 'zone=4097,limit=32768'];
  assert.equal(asked, [['dpctl/ct-set-limits', 'system@ovs-system', 'default=524288', ...zones]]);
});

test('a zone is forgotten by the message that Open vSwitch knows', () => {
  const hex = Buffer.from(encode(forgetZone(0x1234), 1)).toString('hex');
  assert.is(hex, '040400180000000100002320' + '0000001d' + '0000000000001234');
});

test('answers on a connection come to the guest that opened it, and from the one that was called; never a first packet', () => {
  const syn = { value: 0, mask: 2 };
  assert.equal(answerMatch(OPENED, OWN), {
    direction: 'ingress',
    match: {
      ...{ ethType: 0x0800, ipv4Src: ipv4(FAR.address), ipv4Dst: ipv4(GUEST.ip) },
      ...{ ipProto: 6, tcpSrc: 443, tcpDst: 40_000, tcpFlags: syn },
    },
  });
  const called = answerMatch({ protocol: 'udp', from: FAR, to: NEAR }, OWN);
  assert.is(called?.direction, 'egress');
  assert.equal([called?.match.udpSrc, called?.match.udpDst], [40_000, 443]);
  for (const strange of [
    { ...OPENED, from: FAR },
    { ...OPENED, to: NEAR },
    { ...OPENED, from: { address: 'x', port: 1 } },
  ])
    assert.is(answerMatch(strange, OWN), undefined);
});

test('answers over IPv6 come to each of its addresses', () => {
  const far = { address: 'fd00:88:0:1::9', port: 443 };
  for (const own of OWN.ipv6) {
    const opened: GuestConnection = { protocol: 'tcp', from: { address: ipv6Words(own), port: 40_000 }, to: far };
    const { direction, match } = answerMatch(opened, OWN) ?? {};
    assert.equal([direction, match?.ipv6Src, match?.ipv6Dst], ['ingress', ipv6(far.address), own]);
  }
  const strange = { address: 'fd00:88::9', port: 1 };
  assert.is(answerMatch({ protocol: 'tcp', from: strange, to: far }, OWN), undefined);
});

function answersAt(fixture: Fixture, node: string): number {
  return fixture.flowKeysAt(node).filter((key) => key.includes(`table=${Table.groupsIn} `) && key.includes('tcpFlags'))
    .length;
}

async function moving(groups: object[]): Promise<Fixture> {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  await fixture.call('groups.set', { groups });
  fixture.connections.set('n0', [OPENED]);
  await fixture.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  await settle();
  return fixture;
}

test("a member's connections are at its next switch before it is, also those of the last moment, and for five minutes", async () => {
  const fixture = await moving([{ name: 'web', rules: [], members: ['g0'] }]);
  assert.is(answersAt(fixture, 'n1'), 1);
  fixture.connections.set('n0', [{ ...OPENED, to: { ...FAR, port: 444 } }]);
  await fixture.call('migration.complete', { migration: MIGRATION });
  await settle();
  assert.is(answersAt(fixture, 'n1'), 2);
  await fixture.pass((CARRIED_SEC - 2) * 1_000);
  assert.is(answersAt(fixture, 'n1'), 2);
  await fixture.pass(3_000);
  assert.is(answersAt(fixture, 'n1'), 0);
  fixture.close();
});

test('of a guest in no group nothing is asked', async () => {
  const fixture = await moving([{ name: 'web', rules: [], members: ['g1'] }]);
  assert.is(answersAt(fixture, 'n1'), 0);
  fixture.close();
});

test('groups are in the journal once, and bad ones nowhere', async () => {
  const fixture = await moving([{ name: 'web', rules: [], members: ['g0'] }]);
  await fixture.call('groups.set', { groups: [{ name: 'web', rules: [], members: ['g0'] }] });
  const bad = { direction: 'ingress', ethertype: 'IPv4', protocol: 'any', remotePrefix: 'x' };
  const refused = await fixture
    .call('groups.set', { groups: [{ name: 'web', rules: [bad], members: [] }] })
    .catch(() => 'refused');
  assert.is(refused, 'refused');
  assert.is(fixture.journal.filter(({ kind }) => kind === 'groups').length, 1);
  fixture.close();
});

test.run();
