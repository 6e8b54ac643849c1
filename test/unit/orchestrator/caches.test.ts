// The caps of the nodes' caches: shown for those that can be asked, set at one.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { setCacheCap, showCaches } from '../../../orchestrator/images/caches.ts';
import { failure, quiet } from '../common/members.ts';
import { FakeCluster } from './fake-cluster.ts';

const STATE = { capBytes: null, cachedBytes: 7, freeBytes: 8, totalBytes: 9 };

function clusterWithCaches(): FakeCluster {
  const cluster = new FakeCluster();
  for (const node of ['alpha', 'beta', 'gamma']) {
    const { answers } = cluster.clients(node).blockd;
    answers['cache.show'] = () => STATE;
    answers['cache.set'] = ({ capBytes }) => ({ ...STATE, capBytes });
  }
  return cluster;
}

test('all nodes are asked, and one that is away is named', async () => {
  const cluster = clusterWithCaches();
  cluster.clients('beta').isAway = true;
  const { stores, unreachable } = await showCaches(cluster, quiet);
  assert.equal(stores, [
    { node: 'alpha', ...STATE },
    { node: 'gamma', ...STATE },
  ]);
  assert.equal(unreachable, ['beta']);
});

test('one node alone, and none that is not there', async () => {
  const cluster = clusterWithCaches();
  assert.equal(await showCaches(cluster, quiet, 'beta'), { stores: [{ node: 'beta', ...STATE }], unreachable: [] });
  assert.is((await failure(showCaches(cluster, quiet, 'delta'))).code, 'CLOUD_UNKNOWN');
});

test('a cap is set at its node, or it is said that this was not done', async () => {
  const cluster = clusterWithCaches();
  assert.equal((await setCacheCap(cluster, 'beta', 5)).stores, [{ node: 'beta', ...STATE, capBytes: 5 }]);
  assert.is(cluster.count('alpha blockd cache.set'), 0);
  cluster.clients('beta').isAway = true;
  assert.is((await failure(setCacheCap(cluster, 'beta', 5))).code, 'UNREACHABLE');
  assert.is((await failure(setCacheCap(cluster, 'delta', 5))).code, 'CLOUD_UNKNOWN');
});

test.run();
