// How blocks get to other places, as it is set: what the catalogue keeps, the writer hears, now or when it is back.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Propagation } from '../../../orchestrator/propagation.ts';
import type { PropagationSettings } from '../../../wire/contracts/propagation.ts';
import { refusal } from '../../refusal.ts';
import { quiet } from '../common/members.ts';
import { FakeCluster, head, SETTINGS } from './fake-cluster.ts';

const PROACTIVE: PropagationSettings = { ...SETTINGS, policy: { mode: 'proactive' } };
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

test.run();
