// How blocks get to other places, as it is set: what the catalogue keeps, the writer hears, now or when it is back.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Propagation } from '../../../orchestrator/images/propagation.ts';
import type { PropagationSettings, PropagationStatus } from '../../../wire/contracts/propagation.ts';
import { refusal } from '../../refusal.ts';
import { quiet } from '../common/members.ts';
import { FakeCluster, head, LAYER, SETTINGS } from './fake-cluster.ts';

const PROACTIVE: PropagationSettings = { ...SETTINGS, policy: { mode: 'proactive' } };
const STATUS: PropagationStatus = {
  ...{ s: 1, destinations: [], paused: null, spent: 0 },
  counters: {
    ...{ offeredBlocks: 0, pushedBlocks: 0, failedBlocks: 0, usefulBlocks: 0, wastedBlocks: 0, missedBlocks: 0 },
  },
};
const TOLD = 'alpha blockd propagation.set';

function stand(): { cluster: FakeCluster; propagation: Propagation } {
  const cluster = new FakeCluster();
  cluster.catalogue.answers['image.list'] = () => ({
    heads: [head({ writer: 'alpha', epoch: 1, propagation: PROACTIVE }), head({ image: 'log' })],
  });
  return { cluster, propagation: new Propagation({ cluster, log: quiet }) };
}

test('the writer hears of it at once, and no more than once', async () => {
  const { cluster, propagation } = stand();
  assert.equal(await propagation.set('web', PROACTIVE), []);
  await propagation.repeat();
  assert.is(cluster.count(TOLD), 1);
});

test('a writer that is away is named, and hears of it when it is back', async () => {
  const { cluster, propagation } = stand();
  cluster.clients('alpha').isAway = true;
  assert.equal(await propagation.set('web', PROACTIVE), ['alpha']);
  cluster.down.add('alpha');
  const tried = cluster.count(TOLD);
  await propagation.repeat();
  assert.is(cluster.count(TOLD), tried);
  cluster.down.delete('alpha');
  cluster.clients('alpha').isAway = false;
  await propagation.repeat();
  await propagation.repeat();
  assert.is(cluster.count(TOLD), tried + 1);
});

test('an image that nobody writes has nobody to tell', async () => {
  const { cluster, propagation } = stand();
  cluster.catalogue.answers['propagation.set'] = ({ image, settings }) => head({ image, propagation: settings });
  assert.equal(await propagation.set('web', PROACTIVE), []);
  assert.is(cluster.count(TOLD), 0);
});

test('a new writer is told again', async () => {
  const { cluster, propagation } = stand();
  await propagation.repeat();
  const moved = head({ writer: 'beta', epoch: 2, propagation: PROACTIVE });
  cluster.catalogue.answers['image.list'] = () => ({ heads: [moved] });
  await propagation.repeat();
  assert.is(cluster.count('beta blockd propagation.set'), 1);
});

test('while an image is moved both ends hear of a change, and the new writer again', async () => {
  const { cluster, propagation } = stand();
  const transfer = { migration: '00000000000000aa', from: 'alpha', to: 'beta', epoch: 2 };
  cluster.catalogue.answers['propagation.set'] = ({ image, settings }) =>
    head({ image, writer: 'alpha', epoch: 1, transfer, propagation: settings });
  assert.equal(await propagation.set('web', PROACTIVE), []);
  assert.equal([cluster.count(TOLD), cluster.count('beta blockd propagation.set')], [1, 1]);
  cluster.clients('beta').isAway = true;
  assert.equal(await propagation.set('web', { ...PROACTIVE, s: 2 }), ['beta']);
  cluster.clients('beta').isAway = false;
  const moved = head({ writer: 'beta', epoch: 2, propagation: PROACTIVE });
  cluster.catalogue.answers['image.list'] = () => ({ heads: [moved] });
  await propagation.repeat();
  assert.is(cluster.count('beta blockd propagation.set'), 3);
});

test('the nodes that the writer would push to follow it, and nobody else does', async () => {
  const { cluster, propagation } = stand();
  const to = (node: string) => ({ node, ...{ probability: 0.5, missingBlocks: 1, follows: false } });
  const counts = { pushedBlocks: 0, overtakenBlocks: 0 };
  cluster.clients('alpha').blockd.answers['propagation.show'] = () => ({
    settings: PROACTIVE,
    status: { ...STATUS, destinations: ['beta', 'gamma'].map((node) => ({ ...to(node), ...counts })) },
  });
  const orders: unknown[] = [];
  cluster.clients('beta').blockd.answers['replica.follow'] = (order) => {
    orders.push(order);
    return {};
  };
  cluster.down.add('gamma');
  await propagation.repeat();
  const { bytes, stack } = head();
  assert.equal(orders, [{ image: 'web', bytes, stack, epoch: 1, from: cluster.endpoint('alpha') }]);
  assert.is(cluster.count('gamma blockd replica.follow'), 0);
});

test('an image on demand, in a transfer or in a cut has nobody follow it', async () => {
  const { cluster, propagation } = stand();
  const transfer = { migration: '00000000000000aa', from: 'alpha', to: 'beta', epoch: 2 };
  const cut = { id: '00000000000000aa', snapshot: 'monday', layer: LAYER };
  for (const change of [{ transfer }, { cut }, { propagation: SETTINGS }]) {
    const one = head({ writer: 'alpha', epoch: 1, propagation: PROACTIVE, ...change });
    cluster.catalogue.answers['image.list'] = () => ({ heads: [one] });
    await propagation.repeat();
  }
  assert.is(cluster.count('alpha blockd propagation.show'), 0);
});

test('a place that does not exist is refused before anything is kept', async () => {
  const { cluster, propagation } = stand();
  const transitions = [{ from: 'alpha', to: 'nowhere', probability: 1 }];
  const prices = [{ from: 'nowhere', to: 'alpha', perGb: 1 }];
  const async = { mode: 'async', rpoSeconds: 30, place: 'nowhere' } as const;
  for (const change of [{ transitions }, { prices }, { policy: async }]) {
    assert.is((await refusal(propagation.set('web', { ...SETTINGS, ...change }))).code, 'CLOUD_UNKNOWN');
  }
  assert.is(cluster.count('catalogue propagation.set'), 0);
});

test('flushes are not made to wait for more copies than there are places', async () => {
  const { cluster, propagation } = stand();
  const policy = { mode: 'sync', copies: 3, scope: 'world', whenDegraded: 'wait' } as const;
  const set = (change: object): Promise<string[]> =>
    propagation.set('web', { ...SETTINGS, policy: { ...policy, ...change } });
  assert.equal(await set({}), []);
  const before = cluster.count(TOLD);
  for (const change of [{ copies: 4 }, { mode: 'sync-write', copies: 16 }, { copies: 2, scope: 'cloud' }]) {
    assert.is((await refusal(set(change))).code, 'TOO_MANY_COPIES', JSON.stringify(change));
  }
  assert.is(cluster.count(TOLD), before, 'nobody heard of it');
  assert.equal(await set({ copies: 4, whenDegraded: 'continue' }), []);
});

test.run();
