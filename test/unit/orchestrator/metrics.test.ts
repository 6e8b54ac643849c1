// Metrics of the nodes that can be asked, and the names of those that cannot.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gatherMetrics } from '../../../orchestrator/metrics.ts';
import { failure, quiet } from '../common/members.ts';
import { FakeCluster } from './fake-cluster.ts';

test('all nodes are asked at once, and one that is away is named', async () => {
  const cluster = new FakeCluster();
  cluster.clients('beta').isAway = true;
  const { nodes, members, unreachable } = await gatherMetrics(cluster, quiet);
  assert.equal(
    nodes.map(({ node }) => node),
    ['alpha', 'gamma'],
  );
  assert.equal(unreachable, ['beta']);
  assert.equal(members[1], { node: 'beta', cloud: 'beta' });
});

test('one node alone, and none that is not there', async () => {
  const cluster = new FakeCluster();
  const { nodes } = await gatherMetrics(cluster, quiet, 'gamma');
  assert.equal(
    nodes.map(({ node }) => node),
    ['gamma'],
  );
  assert.is(cluster.count('alpha blockd store.metrics'), 0);
  assert.is((await failure(gatherMetrics(cluster, quiet, 'delta'))).code, 'CLOUD_UNKNOWN');
});

test.run();
