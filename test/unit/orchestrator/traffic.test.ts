// What is asked about guests' traffic, and of whom.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { networkFigures, showTraffic } from '../../../orchestrator/network/traffic.ts';
import type { State } from '../../../orchestrator/state.ts';
import { failure, quiet } from '../common/members.ts';
import { FakeCluster } from './fake-cluster.ts';
import { vmRecord } from './records.ts';

const PAIRS = [
  { from: 'web', to: 'db', bytes: 300, frames: 3 },
  { from: 'db', to: 'web', bytes: 200, frames: 2 },
  { from: 'db', to: null, bytes: 100, frames: 1 },
];

function stand() {
  const cluster = new FakeCluster();
  cluster.sdnd.answers['figures.show'] = () => ({ switches: [], pairs: PAIRS, unreachable: [] });
  const get = ((table: string, key: string) =>
    table === 'vms' && (key === 'web' || key === 'db') ? vmRecord({ vm: key }) : undefined) as State['get'];
  return { cluster, state: { get } };
}

test('all pairs, those of one VM either way, and none of one that is not there', async () => {
  const { cluster, state } = stand();
  assert.equal((await showTraffic(cluster, state)).pairs, PAIRS);
  assert.equal((await showTraffic(cluster, state, 'web')).pairs, PAIRS.slice(0, 2));
  assert.is((await failure(showTraffic(cluster, state, 'nobody'))).code, 'VM_UNKNOWN');
});

test("metrics are had without the overlay's controller", async () => {
  const { cluster } = stand();
  assert.equal((await networkFigures(cluster, quiet)).network?.pairs, PAIRS);
  cluster.sdnd.isAway = true;
  assert.equal(await networkFigures(cluster, quiet), {});
});

test.run();
