// Every store is asked how far it has come by what the catalogue knows of it, and before an epoch begins or ends there; both of
// a migration's are before it touches anything (`migration-orders.test.ts`).
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { StoreWatch } from '../../../orchestrator/images/store-watch.ts';
import { WatchedCluster } from '../../../orchestrator/watched-cluster.ts';
import type { HeardNotch, Notch } from '../../../wire/contracts/store-notch.ts';
import { refusal } from '../../refusal.ts';
import { quiet } from '../common/members.ts';
import { CLOSING, FakeCluster, LAYER, storeImage } from './fake-cluster.ts';

interface Stand {
  cluster: FakeCluster;
  stores: StoreWatch;
  known: Map<string, Notch>;
  heard: HeardNotch[];
  /** Nodes that are to be asked once more. */
  again: string[];
}

const STORE = 'aa'.repeat(8);
const notch = (count: number): Notch => ({ store: STORE, count, word: STORE });
const test = suite<Stand>('store watch');

test.before.each((stand) => {
  const cluster = new FakeCluster();
  Object.assign(stand, { cluster, known: new Map(), heard: [], again: [] });
  stand.stores = new StoreWatch({ cluster, log: quiet });
  for (const { node } of cluster.members) {
    cluster.clients(node).blockd.answers['store.notch'] = ({ at }) => ({ now: notch(at + 1), at });
  }
  cluster.catalogue.answers['notch.list'] = () => ({
    notches: Array.from(stand.known, ([node, one]) => ({ node, notch: one })),
  });
  cluster.catalogue.answers['notch.heard'] = ({ heard }) => {
    stand.heard.push(...heard);
    for (const { node, said } of heard) stand.known.set(node, said.now);
    return { again: stand.again.splice(0), doubtful: [] };
  };
});

function told({ heard }: Stand): string[] {
  return heard.map(({ node, said, report }) => `${node} ${said.at}${report === undefined ? '' : ' with its report'}`);
}

test('all that can be asked are, by what is known of each, and heard in one commit', async (stand) => {
  stand.cluster.down.add('beta');
  stand.cluster.clients('gamma').isAway = true;
  await stand.stores.look();
  stand.cluster.down.delete('beta');
  stand.cluster.clients('gamma').isAway = false;
  await stand.stores.look();
  assert.equal(told(stand), ['alpha 0', 'alpha 1', 'beta 0', 'gamma 0']);
  assert.is(stand.cluster.count('catalogue notch.heard'), 2);
  assert.is(stand.cluster.count('alpha blockd store.report'), 0);
});

test('who is to be asked again is, with a report, until all is settled', async (stand) => {
  stand.again = ['beta'];
  await stand.stores.look();
  assert.equal(told(stand), ['alpha 0', 'beta 0', 'gamma 0', 'beta 1 with its report']);
});

test('what a store that was put back has open is closed there, and nothing else', async ({ cluster, stores }) => {
  const { answers } = cluster.clients('beta').blockd;
  const doubtful = ['web', 'log', 'db'].map((image) => ({ image, node: 'beta', reason: 'it is older' }));
  cluster.catalogue.answers['notch.heard'] = () => ({ again: [], doubtful });
  answers['image.show'] = ({ image }) => {
    if (image === 'db') throw new OperationError('NO_IMAGE', 'it is gone');
    return storeImage({ image, role: image === 'web' ? 'writer' : 'replica', epoch: 4 });
  };
  const closed: unknown[] = [];
  answers['image.close'] = (params) => {
    closed.push(params);
    throw new OperationError('IMAGE_IN_USE', 'it has a client');
  };
  await stores.check(['beta']);
  assert.equal(closed, [{ image: 'web', layer: LAYER, epoch: 4 }]);
});

test('what is never settled ends', async (stand) => {
  stand.cluster.catalogue.answers['notch.heard'] = () => ({ again: ['beta'], doubtful: [] });
  assert.is((await refusal(stand.stores.check(['beta']))).code, 'STORE_UNHEARD');
});

test('a node without anybody up is no call to the catalogue', async (stand) => {
  for (const { node } of stand.cluster.members) stand.cluster.clients(node).isAway = true;
  await stand.stores.look();
  assert.is(stand.cluster.count('catalogue notch.heard'), 0);
});

test('an epoch begins and ends only at a store that was asked just before', async (stand) => {
  const { cluster, stores } = stand;
  const watch = { compareAll: async () => undefined, keep: async () => undefined };
  const { catalogue } = new WatchedCluster(cluster, watch, stores).controller;
  await catalogue.call('epoch.open', { image: 'web', node: 'beta' });
  await catalogue.call('epoch.close', { image: 'web', node: 'beta', closing: CLOSING });
  await catalogue.call('epoch.abandon', { image: 'web', node: 'gamma', epoch: 1 });
  await catalogue.call('image.head', { image: 'web' });
  assert.equal(told(stand), ['beta 0', 'beta 1', 'gamma 0']);
  const calls = cluster.heard.filter((call) => !call.endsWith('notch.list'));
  assert.equal(calls.slice(0, 3), ['beta blockd store.notch', 'catalogue notch.heard', 'catalogue epoch.open']);
  cluster.clients('beta').isAway = true;
  assert.is((await refusal(catalogue.call('epoch.open', { image: 'web', node: 'beta' }))).code, 'UNREACHABLE');
  assert.is(cluster.count('catalogue epoch.open'), 1);
});

test.run();
