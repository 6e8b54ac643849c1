// A catalogue that was lost or restored meets the stores: it grants nothing twice, and says why (promises S3, S4).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Entry } from '../../../blockd/catalogue/catalogue.ts';
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import type { CatalogueChange } from '../../../blockd/catalogue/catalogue-store.ts';
import { StoreBook } from '../../../blockd/catalogue/store-book.ts';
import type { Handlers } from '../../../common/rpc/server.ts';
import type { catalogueContract } from '../../../wire/contracts/catalogue.ts';
import type { StoreReport } from '../../../wire/contracts/store-report.ts';
import { refusal } from '../../refusal.ts';
import { closing, context, newEntry } from './catalogue-entries.ts';
import { ModelStore } from './catalogue-model.ts';
import { layerName } from './layered-image.ts';
import { reportedLayer } from './reported-layer.ts';

const TOP = newEntry('web').head.stack.layer;

interface Stand {
  readonly store: ModelStore;
  readonly calls: Handlers<typeof catalogueContract>;
  hear(node: string, report?: Partial<StoreReport>): Promise<{ behind: string; doubtful: string[] }>;
  /** The code by which a grant is refused. */
  refused(node: string): Promise<string>;
}

async function standWith(entries: Entry[], change: CatalogueChange = {}): Promise<Stand> {
  const store = new ModelStore();
  if (entries.length > 0) await store.commit(() => ({ change: { entries, ...change }, answer: undefined }));
  const calls = catalogueCalls(store, new StoreBook());
  return {
    store,
    calls,
    hear: async (node, report = {}) =>
      calls['store.heard']({ node, report: { layers: [], unusable: [], members: [], kept: null, ...report } }, context),
    refused: async (node) =>
      (await refusal(calls['epoch.open']({ image: 'web', node }, context) as Promise<unknown>)).code,
  };
}

test('nothing is granted to a store that was not compared since the start', async () => {
  const { calls, hear, refused } = await standWith([newEntry('web')]);
  assert.is(await refused('a'), 'STORE_UNHEARD');
  await hear('b');
  assert.is(await refused('a'), 'STORE_UNHEARD');
  assert.equal(await hear('a'), { behind: '', doubtful: [] });
  const head = await calls['epoch.open']({ image: 'web', node: 'a' }, context);
  assert.is(head.epoch, 1);
  const order = { migration: '00000000000000aa', images: ['web'], from: 'a', to: 'c' };
  const error = await refusal(calls['transfer.begin'](order, context) as Promise<unknown>);
  assert.is(error.code, 'STORE_UNHEARD');
});

test('nothing is forgotten before any store was compared', async () => {
  const { calls, hear } = await standWith([newEntry('web')]);
  const remove = () => calls['image.remove']({ image: 'web', nodes: ['a'] }, context) as Promise<unknown>;
  assert.is((await refusal(remove())).code, 'STORE_UNHEARD');
  await hear('a');
  await remove();
});

test('a restored catalogue grants no epoch of an image that a store has seen a higher one of', async () => {
  const log = newEntry('log');
  const other = { ...log, head: { ...log.head, stack: { layer: layerName(7), generation: 1, below: [] } } };
  const { store, hear, refused } = await standWith([{ ...newEntry('web'), granted: 7 }, other]);
  await hear('b', { layers: [reportedLayer({ layer: TOP, epoch: 7 })] });
  assert.is(store.get('web').head.doubt, undefined, 'as high as what is known is no news');
  assert.equal(await hear('a', { layers: [reportedLayer({ layer: TOP, epoch: 9 })] }), {
    behind: '',
    doubtful: ['web'],
  });
  assert.match(store.get('web').head.doubt ?? '', /node a has seen epoch 9 .* 7/);
  assert.is(await refused('a'), 'IMAGE_UNCERTAIN');
  assert.is(await refused('b'), 'IMAGE_UNCERTAIN', 'nor to anyone else');
  assert.is(store.get('log').head.doubt, other.head.doubt);
});

test('an epoch is seen wherever a store speaks of it', async () => {
  const ways = [
    reportedLayer({ layer: TOP, ends: [{ epoch: 9, lastSequence: 1 }] }),
    reportedLayer({ layer: TOP, closing: closing('web', 9, 1) }),
    reportedLayer({ layer: TOP, role: 'standby', epoch: 9 }),
    reportedLayer({ layer: TOP, role: 'sealed', epoch: 9 }),
  ];
  for (const layer of ways) {
    const { hear } = await standWith([{ ...newEntry('web'), granted: 8 }]);
    assert.equal((await hear('a', { layers: [layer] })).doubtful, ['web'], JSON.stringify(layer));
  }
});

test('a cut that the records do not know puts the image in doubt; a clone and a layer that leaves do not', async () => {
  const below = [{ layer: TOP, bytes: 4096, lastSequence: 1, entries: 1, digest: '0'.repeat(32) }];
  const above = reportedLayer({ layer: layerName(2), role: 'writer', below });
  const clone = await standWith([newEntry('web')]);
  assert.equal(await clone.hear('a', { layers: [{ ...above, image: 'web2', role: 'replica' }] }), {
    behind: '',
    doubtful: [],
  });
  const gone = await standWith([newEntry('web')], { leaving: [{ layer: layerName(2), nodes: ['a'] }] });
  assert.equal((await gone.hear('a', { layers: [above] })).doubtful, []);
  const cut = await standWith([newEntry('web')]);
  assert.equal((await cut.hear('a', { layers: [above] })).doubtful, ['web']);
  const head = { ...newEntry('web').head, cut: { id: '00000000000000c1', snapshot: 's', layer: layerName(2) } };
  const standing = await standWith([{ ...newEntry('web'), head }]);
  assert.equal((await standing.hear('a', { layers: [above] })).doubtful, [], 'it is under way');
});

test('records that are older than what a store keeps decide nothing more, for whomever', async () => {
  const { store, calls, hear, refused } = await standWith([newEntry('web')]);
  assert.is((await hear('b', { kept: { incarnation: 1, serial: 1 } })).behind, '');
  const { behind } = await hear('a', { kept: { incarnation: 1, serial: 12 } });
  assert.match(behind, /node a keeps .* commit 12 .* newest here is commit 1 /);
  assert.is(store.state.behind, behind, 'also after a restart');
  assert.is((await hear('b')).behind, behind);
  assert.is(await refused('b'), 'CATALOGUE_BEHIND');
  const refusedCalls = [
    () =>
      calls['image.add'](
        { image: 'db', layer: layerName(3), bytes: 4096, holder: 'a', closing: closing('db', 0, 1) },
        context,
      ),
    () => calls['image.remove']({ image: 'web', nodes: [] }, context),
    () => calls['layer.leave']({ layers: [], nodes: [] }, context),
    () => calls['image.resize']({ image: 'web', layer: layerName(3), bytes: 8192 }, context),
    () =>
      calls['snapshot.begin'](
        { cut: '00000000000000c1', snapshot: 's', cuts: [{ image: 'web', generation: 1, layer: layerName(3) }] },
        context,
      ),
  ];
  for (const call of refusedCalls) assert.is((await refusal(call() as Promise<unknown>)).code, 'CATALOGUE_BEHIND');
});

test('an empty catalogue beside an open image is a lost one, unless the image is leaving', async () => {
  const layers = [reportedLayer({ layer: TOP, role: 'writer', epoch: 4 })];
  const { hear } = await standWith([]);
  assert.match((await hear('a', { layers })).behind, 'image web is open for writing at node a under epoch 4');
  const left = await standWith([newEntry('log')], { leaving: [{ layer: TOP, nodes: ['a'] }] });
  assert.is((await left.hear('a', { layers })).behind, '');
  const closed = await standWith([]);
  assert.is(
    (await closed.hear('a', { layers: [{ ...reportedLayer({ layer: TOP }) }] })).behind,
    '',
    'half made, or not let go yet',
  );
});

test('what the stores are given to keep is all of one commit, as the records are', async () => {
  const snapshot = { snapshot: 'monday', atMs: 1, disks: [] };
  const { calls, store } = await standWith([newEntry('web'), newEntry('log')], {
    snapshots: [snapshot],
    leaving: [{ layer: layerName(9), nodes: ['a'] }],
  });
  const { mark, records } = await calls['records.list']({}, context);
  assert.equal(mark, { incarnation: 1, serial: 1 });
  const keys = records.map(({ key }) => key).sort();
  assert.equal(keys, ['head!log', 'head!web', `leaving!${layerName(9)}`, 'snapshot!monday']);
  assert.equal(JSON.parse(records.find(({ key }) => key === 'head!web')?.text ?? ''), store.get('web'));
  const { state, heard, doubtful } = await calls['catalogue.state']({}, context);
  assert.equal([state.serial, heard, doubtful], [1, [], []]);
});

test.run();
