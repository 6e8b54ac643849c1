// What each policy makes a flush wait for, and what it sends.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  copyTargets,
  flushAnswer,
  pushPlan,
  type StoreView,
  waitsAt,
} from '../../../../blockd/propagation/flush-rule.ts';
import { SchemaCheck } from '../../../../common/schema-check.ts';
import { PropagationPolicy } from '../../../../wire/contracts/propagation.ts';
import { Prng } from '../../../sim/prng.ts';

const WRITER = { node: 'a1', cloud: 'a' };
const store = (node: string, durableSequence: number, roundTripMs = 10, isReachable = true): StoreView => ({
  node,
  cloud: node[0] ?? '',
  isReachable,
  durableSequence,
  roundTripMs,
});
const sync = (copies: number, scope: 'cloud' | 'world', whenDegraded: 'wait' | 'continue' = 'wait') =>
  ({ mode: 'sync', copies, scope, whenDegraded }) as const;

test('on-demand, proactive and async never wait for another store', () => {
  for (const policy of [
    { mode: 'on-demand' },
    { mode: 'proactive' },
    { mode: 'async', rpoSeconds: 30, place: 'b' },
  ] as const) {
    assert.is(waitsAt(policy), 'nothing');
    assert.equal(flushAnswer(policy, WRITER, [store('b1', 0)], 9), { kind: 'answer', safeOn: 1 });
  }
  assert.is(waitsAt(sync(2, 'world')), 'flush');
  assert.is(waitsAt({ ...sync(2, 'world'), mode: 'sync-write' }), 'write');
});

test('a flush waits until data and entries are durable at so many places', () => {
  const stores = [store('b1', 8), store('c1', 9), store('a2', 9)];
  assert.equal(flushAnswer(sync(3, 'world'), WRITER, stores, 9), { kind: 'wait', safeOn: 2, forNodes: ['b1'] });
  assert.equal(flushAnswer(sync(2, 'world'), WRITER, stores, 9), { kind: 'answer', safeOn: 2 });
  assert.equal(flushAnswer(sync(2, 'cloud'), WRITER, stores, 9), { kind: 'answer', safeOn: 2 });
  assert.equal(flushAnswer(sync(3, 'cloud'), WRITER, stores, 9).kind, 'wait');
});

test('two nodes of one cloud are one place in the world, and the own store never counts twice', () => {
  const stores = [store('b1', 9), store('b2', 9), store('a1', 9)];
  assert.is(flushAnswer(sync(3, 'world'), WRITER, stores, 9).safeOn, 2);
  assert.is(flushAnswer(sync(2, 'cloud'), WRITER, stores, 9).safeOn, 1);
});

test('with a place away it waits, or goes on with fewer copies and says so', () => {
  const stores = [store('b1', 9), store('c1', 3, 10, false)];
  assert.equal(flushAnswer(sync(3, 'world'), WRITER, stores, 9), { kind: 'wait', safeOn: 2, forNodes: ['c1'] });
  assert.equal(flushAnswer(sync(3, 'world', 'continue'), WRITER, stores, 9), { kind: 'degraded', safeOn: 2 });
  const late = [store('b1', 8), store('c1', 3, 10, false)];
  assert.equal(
    flushAnswer(sync(3, 'world', 'continue'), WRITER, late, 9),
    { kind: 'wait', safeOn: 1, forNodes: ['b1'] },
    'who can be reached is waited for',
  );
});

test('an answer means that many places, whatever is known of stores (property)', () => {
  for (let seed = 1; seed <= 500; seed++) {
    const prng = new Prng(seed);
    const stores = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1', 'd1'].map((node) =>
      store(node, prng.integer(4), prng.between(1, 200), prng.chance(0.7)),
    );
    const policy = sync(2 + prng.integer(3), prng.pick(['cloud', 'world']), prng.pick(['wait', 'continue']));
    const answer = flushAnswer(policy, WRITER, stores, 2);
    const safe = stores.filter(({ durableSequence, node }) => durableSequence >= 2 && node !== 'a1');
    const apart =
      policy.scope === 'cloud'
        ? safe.filter(({ cloud }) => cloud === 'a').length
        : new Set(safe.map(({ cloud }) => cloud).filter((cloud) => cloud !== 'a')).size;
    assert.is(answer.safeOn, 1 + apart, `seed ${seed}`);
    assert.is(answer.kind === 'answer', 1 + apart >= policy.copies, `seed ${seed}`);
    if (answer.kind === 'degraded') assert.is(policy.whenDegraded, 'continue');
    const targets = copyTargets(policy, WRITER, stores);
    assert.ok(targets.length <= policy.copies - 1);
    assert.ok(targets.every(({ isReachable, node }) => isReachable && node !== 'a1'));
    const places = targets.map(({ node, cloud }) => (policy.scope === 'cloud' ? node : cloud));
    assert.is(new Set(places).size, targets.length, 'no two copies at one place');
  }
});

test('copies go to the nearest places', () => {
  const stores = [store('b1', 0, 80), store('b2', 0, 70), store('c1', 0, 150), store('d1', 0, 20, false)];
  assert.equal(pushPlan(sync(3, 'world'), WRITER, stores), { kind: 'everything', nodes: ['b2', 'c1'] });
  assert.equal(pushPlan({ mode: 'on-demand' }, WRITER, stores), { kind: 'nothing' });
  assert.equal(pushPlan({ mode: 'proactive' }, WRITER, stores), { kind: 'by-priority' });
  assert.equal(pushPlan({ mode: 'async', rpoSeconds: 30, place: 'b' }, WRITER, stores), { kind: 'sealed', place: 'b' });
});

test('the contract takes what is meant and nothing else', () => {
  const check = new SchemaCheck(PropagationPolicy);
  for (const good of [
    { mode: 'on-demand' },
    { mode: 'sync', copies: 2, scope: 'world', whenDegraded: 'wait' },
    { mode: 'async', rpoSeconds: 30, place: 'west' },
  ])
    assert.ok(check.accepts(good), JSON.stringify(good));
  for (const bad of [
    { mode: 'sync', copies: 1, scope: 'world', whenDegraded: 'wait' },
    { mode: 'sync', copies: 2, scope: 'moon', whenDegraded: 'wait' },
    { mode: 'sync', copies: 2, scope: 'world' },
    { mode: 'async', rpoSeconds: 0, place: 'west' },
    { mode: 'push' },
  ])
    assert.not(check.accepts(bad), JSON.stringify(bad));
});

test.run();
