// Catalogue and stores are kept known to each other, over restarts of either.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { CatalogueWatch } from '../../../orchestrator/images/catalogue-watch.ts';
import { WatchedCluster } from '../../../orchestrator/watched-cluster.ts';
import type { CatalogueMark } from '../../../wire/contracts/store-report.ts';
import { refusal } from '../../refusal.ts';
import { quiet } from '../common/members.ts';
import { FakeCluster, head } from './fake-cluster.ts';

interface Stand {
  cluster: FakeCluster;
  watch: CatalogueWatch;
  heard: Set<string>;
  mark: CatalogueMark;
  behind: string;
}

const test = suite<Stand>('catalogue watch');

test.before.each((context) => {
  const cluster = new FakeCluster();
  Object.assign(context, { cluster, heard: new Set(), mark: { incarnation: 1, serial: 4 }, behind: '' });
  context.watch = new CatalogueWatch({ cluster, log: quiet });
  const { answers } = cluster.catalogue;
  answers['catalogue.state'] = () => {
    const { mark, behind, heard } = context;
    return { state: { ...mark, behind }, heard: [...heard], doubtful: [] };
  };
  answers['store.heard'] = ({ node }) => {
    context.heard.add(node);
    return { behind: context.behind, doubtful: [] };
  };
  answers['records.list'] = () => ({ mark: context.mark, pins: [], records: [] });
});

test('every store is compared once per start of the catalogue, and keeps each newer state', async (stand) => {
  const { cluster, watch } = stand;
  await watch.look();
  await watch.look();
  for (const node of ['alpha', 'beta', 'gamma']) {
    assert.is(cluster.count(`${node} blockd store.report`), 1);
    assert.is(cluster.count(`${node} blockd records.keep`), 1);
  }
  stand.mark = { incarnation: 1, serial: 5 };
  stand.heard.clear();
  await watch.look();
  assert.is(cluster.count('alpha blockd store.report'), 2);
  assert.is(cluster.count('alpha blockd records.keep'), 2);
});

test('who is away is compared and told when it is back', async ({ cluster, watch }) => {
  cluster.down.add('beta');
  cluster.clients('gamma').isAway = true;
  await watch.look();
  assert.is(cluster.count('catalogue store.heard'), 1);
  cluster.down.delete('beta');
  cluster.clients('gamma').isAway = false;
  await watch.look();
  assert.is(cluster.count('catalogue store.heard'), 3);
  assert.is(cluster.count('beta blockd records.keep'), 1);
});

test('a catalogue that is behind is told to no store', async (stand) => {
  const { cluster, watch } = stand;
  cluster.clients('alpha').blockd.answers['store.report'] = () => ({
    ...{ layers: [], unusable: [], members: [] },
    kept: { incarnation: 1, serial: 9 },
  });
  cluster.catalogue.answers['store.heard'] = ({ node, report }) => {
    stand.heard.add(node);
    if ((report.kept?.serial ?? 0) > stand.mark.serial) stand.behind = 'it is older';
    return { behind: stand.behind, doubtful: [] };
  };
  await watch.look();
  assert.is(cluster.count('beta blockd records.keep'), 0);
});

test('a store that turns out to keep something newer is compared again', async (stand) => {
  const { cluster, watch } = stand;
  await watch.look();
  stand.mark = { incarnation: 1, serial: 5 };
  cluster.clients('beta').blockd.answers['records.keep'] = () => ({ mark: { incarnation: 1, serial: 8 } });
  await watch.look();
  assert.is(cluster.count('beta blockd store.report'), 2);
  assert.is(cluster.count('alpha blockd store.report'), 1);
});

test('a grant that waits for a comparison gets it; any other refusal is told', async (stand) => {
  const { cluster, watch } = stand;
  const { catalogue } = new WatchedCluster(cluster, watch, { check: async () => undefined }).controller;
  cluster.catalogue.answers['epoch.open'] = ({ node }) => {
    if (!stand.heard.has(node)) throw new OperationError('STORE_UNHEARD', 'it was just started');
    return head({ writer: node });
  };
  assert.is((await catalogue.call('epoch.open', { image: 'web', node: 'beta' })).writer, 'beta');
  stand.heard.clear();
  cluster.clients('beta').isAway = true;
  const away = await refusal(catalogue.call('epoch.open', { image: 'web', node: 'beta' }));
  assert.is(away.code, 'STORE_UNHEARD');
  assert.is(cluster.count('catalogue epoch.open'), 4, 'it is repeated once');
  cluster.catalogue.answers['epoch.open'] = () => {
    throw new OperationError('IMAGE_OPEN', 'it is open');
  };
  assert.is((await refusal(catalogue.call('epoch.open', { image: 'web', node: 'beta' }))).code, 'IMAGE_OPEN');
  assert.is(cluster.count('catalogue epoch.open'), 5);
});

test.run();
