// The underlay's peers by the members, and how a WireGuard device comes to have them.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { relaying } from '../../../common/underlay-reach.ts';
import { mayRelay, type UnderlayMember, type WantedPeer, wantedPeers } from '../../../sdnd/underlay/underlay-peers.ts';
import { newKeyPair, publicKeyOf } from '../../../sdnd/underlay/wireguard-keys.ts';
import { type FoundPeer, planPeers, readDump } from '../../../sdnd/underlay/wireguard-plan.ts';

const NOW = 1_700_000_000;

function member(node: string, cloud: string, index: number, more: Partial<UnderlayMember> = {}): UnderlayMember {
  const inner = { address: `10.0.${index}.1`, port: 51820 };
  return { node, cloud, address: `10.99.0.${index}`, keys: [`key-${node}`], inner, outer: inner, ...more };
}

const alpha = member('alpha', 'one', 1);
const beta = member('beta', 'two', 2, { outer: { address: '192.0.2.2', port: 40_000 } });
const betaNext = member('beta2', 'two', 3, { outer: { address: '192.0.2.3', port: 40_000 } });
const hidden = member('gamma', 'three', 4, { outer: undefined });
const hiddenToo = member('delta', 'four', 5, { outer: undefined });
const ALL = [alpha, beta, betaNext, hidden, hiddenToo];
const none = (_key: string): boolean => false;

function peer(node: string, of: string, members = ALL, isProven = none): WantedPeer | undefined {
  return wantedPeers(node, { members: members }, isProven).find(({ publicKey }) => publicKey === of);
}

test('nodes of one cloud use inner endpoints, all others outer ones', () => {
  assert.equal(peer('beta2', 'key-beta')?.endpoint, beta.inner);
  assert.equal(peer('alpha', 'key-beta')?.endpoint, beta.outer);
  assert.is(peer('alpha', 'key-gamma')?.endpoint, undefined, 'it dials');
  assert.equal(peer('gamma', 'key-alpha')?.endpoint, alpha.outer);
});

test('who is behind NAT keeps its way open, to other clouds only', () => {
  assert.is(peer('alpha', 'key-beta')?.keepaliveSeconds, 0);
  assert.is(peer('beta', 'key-alpha')?.keepaliveSeconds, 25);
  assert.is(peer('beta', 'key-beta2')?.keepaliveSeconds, 0);
  assert.is(peer('gamma', 'key-alpha')?.keepaliveSeconds, 25);
});

test('two that nobody can send to speak through one that both name, and each address is one peer’s', () => {
  const by = relaying(ALL)(hidden, hiddenToo) ?? '';
  assert.ok(['alpha', 'beta', 'beta2'].includes(by));
  assert.is(relaying(ALL)(hiddenToo, hidden), by);
  assert.equal(peer('gamma', `key-${by}`)?.addresses.includes(hiddenToo.address), true);
  assert.equal(peer('delta', `key-${by}`)?.addresses.includes(hidden.address), true);
  assert.is(peer('gamma', 'key-delta'), undefined);
  assert.equal(peer(by, 'key-gamma')?.addresses, [hidden.address], 'the relay itself is direct');
  for (const { node, address } of ALL) {
    const addresses = wantedPeers(node, { members: ALL }, none).flatMap((one) => one.addresses);
    const others = ALL.map((one) => one.address).filter((one) => one !== address);
    assert.equal(addresses.toSorted(), others.toSorted());
  }
  assert.is(relaying(ALL)(alpha, hidden), undefined, 'straight');
  assert.is(relaying([hidden, hiddenToo])(hidden, hiddenToo), undefined, 'nobody can');
  assert.equal(wantedPeers('gamma', { members: [hidden, hiddenToo] }, none), []);
});

test('one that is away relays nothing, and no other pair has another relay for that', () => {
  const relays = [1, 2, 3, 4, 5].map((index) => member(`relay${index}`, `open${index}`, index));
  const ends = Array.from({ length: 40 }, (_, at) => member(`node${at}`, `far${at}`, 10 + at, { outer: undefined }));
  const members = [...relays, ...ends];
  const pairs = ends.flatMap((one, at) => ends.slice(at + 1).map((other) => [one, other] as const));
  const named = (away: readonly string[]): (string | undefined)[] => {
    const by = relaying(members, away);
    return pairs.map(([one, other]) => by(one, other));
  };
  const before = named([]);
  for (const { node } of relays) {
    const share = before.filter((by) => by === node).length / pairs.length;
    assert.ok(share > 0.12 && share < 0.28, `${node} relays ${share} of all`);
  }
  const after = named(['relay2']);
  for (const [at, by] of before.entries()) {
    if (by === 'relay2') assert.ok(after[at] !== undefined && after[at] !== 'relay2');
    else assert.is(after[at], by);
  }
  assert.equal(named(relays.map(({ node }) => node)), before, 'as before where all are away');
});

test('a node may be a relay if it can be sent to and two others, of two clouds, cannot', () => {
  assert.equal(
    ALL.filter(({ node }) => mayRelay(node, ALL)).map(({ node }) => node),
    ['alpha', 'beta', 'beta2'],
  );
  assert.not.ok(mayRelay('alpha', [alpha, beta, hidden]));
  assert.not.ok(mayRelay('alpha', [alpha, hidden, { ...hiddenToo, cloud: hidden.cloud }]));
});

test('a new key gets the addresses once its owner speaks with it', () => {
  const members = [alpha, { ...beta, keys: ['key-old', 'key-new'] as const }];
  const isProven = (key: string): boolean => key === 'key-new';
  assert.equal(peer('alpha', 'key-old', members)?.addresses, [beta.address]);
  assert.equal(peer('alpha', 'key-new', members)?.addresses, []);
  assert.equal(peer('alpha', 'key-old', members, isProven)?.addresses, []);
  assert.equal(peer('alpha', 'key-new', members, isProven)?.addresses, [beta.address]);
});

test('a node that is no member has no peers', () => {
  assert.equal(wantedPeers('stranger', { members: ALL }, none), []);
});

const wanted: WantedPeer = {
  publicKey: 'K',
  endpoint: { address: '192.0.2.2', port: 7 },
  addresses: ['10.99.0.2'],
  keepaliveSeconds: 25,
};
const found: FoundPeer = { ...wanted, handshakeSeconds: 0, receivedBytes: 0, sentBytes: 0 };

function plan(have: Partial<FoundPeer> | undefined, want: Partial<WantedPeer> = {}): string {
  return planPeers([{ ...wanted, ...want }], have === undefined ? [] : [{ ...found, ...have }], NOW).join(' ');
}

test('only what differs is said, and what is right is left alone', () => {
  assert.is(plan({}), '');
  assert.is(plan(undefined), 'peer K endpoint 192.0.2.2:7 allowed-ips 10.99.0.2/32 persistent-keepalive 25');
  assert.is(plan({ keepaliveSeconds: 0 }), 'peer K persistent-keepalive 25');
  assert.is(plan({}, { keepaliveSeconds: 0 }), 'peer K persistent-keepalive off');
  assert.is(plan({}, { addresses: [] }), 'peer K allowed-ips ');
  assert.is(plan({ addresses: ['10.99.0.4', '10.99.0.2'] }, { addresses: ['10.99.0.2', '10.99.0.4'] }), '');
});

test('an endpoint that a living session proved is left; a dead one is set right', () => {
  const elsewhere = { address: '198.51.100.1', port: 9 };
  assert.is(plan({ endpoint: elsewhere, handshakeSeconds: NOW - 60 }), '');
  assert.is(plan({ endpoint: elsewhere, handshakeSeconds: NOW - 600 }), 'peer K endpoint 192.0.2.2:7');
  assert.is(plan({ endpoint: elsewhere, handshakeSeconds: NOW + 3_600 }), 'peer K endpoint 192.0.2.2:7');
  assert.is(plan({ endpoint: elsewhere }, { endpoint: undefined }), '');
  assert.is(plan({ endpoint: undefined }), 'peer K endpoint 192.0.2.2:7');
});

test('what comes is said before what goes', () => {
  const words = planPeers([wanted], [{ ...found, publicKey: 'OLD' }], NOW);
  assert.is(words.at(1), 'K');
  assert.equal(words.slice(-3), ['peer', 'OLD', 'remove']);
  assert.equal(planPeers([], [], NOW), []);
});

test('a dump reads as it was written, and rubbish is refused', () => {
  const text = [
    'private\tpublic\t51820\toff',
    'A\t(none)\t(none)\t(none)\t0\t0\t0\toff',
    'B\tsecret\t192.0.2.2:7\t10.99.0.2/32,10.99.0.4/32\t1700000000\t11\t12\t25',
    '',
  ].join('\n');
  const { publicKey, listenPort, peers } = readDump(text);
  assert.is(publicKey, 'public');
  assert.is(listenPort, 51820);
  assert.is(peers[0]?.endpoint, undefined);
  assert.equal(peers[0]?.addresses, []);
  assert.equal(peers[1], {
    publicKey: 'B',
    endpoint: { address: '192.0.2.2', port: 7 },
    addresses: ['10.99.0.2', '10.99.0.4'],
    handshakeSeconds: 1_700_000_000,
    receivedBytes: 11,
    sentBytes: 12,
    keepaliveSeconds: 25,
  });
  assert.is(readDump('(none)\t(none)\t0\toff').publicKey, '');
  for (const bad of ['', 'a\tb', `${text}C\tx`]) assert.throws(() => readDump(bad), TypeError);
});

test('keys are pairs, and never the same twice', () => {
  const [one, other] = [newKeyPair(), newKeyPair()];
  assert.not.equal(one.publicKey, other.publicKey);
  assert.is(publicKeyOf(one.privateKey), one.publicKey);
  assert.match(one.publicKey, /^[A-Za-z0-9+/]{43}=$/);
  assert.throws(() => publicKeyOf('AAAA'));
});

test.run();
