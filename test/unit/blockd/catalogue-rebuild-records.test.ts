// What the records that stores keep of a lost catalogue add to what they say themselves: names, clones, what was on its way
// out; and what they never overrule.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { KeptRecords } from '../../../wire/contracts/store-report.ts';
import { refusal } from '../../refusal.ts';
import { context } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';
import { closedLayer, closing, image, MARGIN, Stand, TOP } from './rebuild-stand.ts';
import { reportedLayer } from './reported-layer.ts';

const test = suite<{ stand: Stand }>('catalogue rebuild, with the kept records');
test.before.each((context) => {
  context.stand = new Stand();
});

/** Records of a catalogue with an image of two layers, its snapshot, and a clone that nobody opened. */
async function keptRecords(stand: Stand): Promise<KeptRecords> {
  const { calls } = stand;
  for (const node of ['a', 'b']) {
    const report = { layers: [], unusable: [], members: [], kept: null };
    await calls['store.heard']({ node, report }, context);
  }
  await calls['image.add']({ image: 'web', layer: TOP, bytes: 4096, holder: 'a', closing: closing(0, 9) }, context);
  const cuts = [{ image: 'web', generation: 1, layer: layerName(2) }];
  const cut = '00000000000000c1';
  await calls['snapshot.begin']({ cut, snapshot: 'monday', cuts }, context);
  await calls['snapshot.finish']({ cut, snapshot: 'monday', sealed: [], atMs: 1 }, context);
  await calls['image.clone']({ image: 'clone', layer: layerName(3), snapshot: 'monday', disk: 'web' }, context);
  const { heads } = await calls['image.list']({}, context);
  assert.is(heads.length, 2);
  return stand.records();
}

test('names of snapshots, clones and tops that no store has come from the kept records', async ({ stand }) => {
  const kept = await keptRecords(stand);
  const before = stand.store.heads.reverse();
  stand.lose();
  const report = await stand.rebuild({ a: [closedLayer(closing(0, 9))], b: [] }, { kept });
  assert.equal(
    report.images.map(({ image: name, verdict }) => `${name} ${verdict}`),
    ['clone closed', 'web closed'],
  );
  assert.equal(report.snapshots, ['monday']);
  assert.equal(stand.store.heads, before);
  assert.is(stand.store.state.incarnation, 2, 'above that of the records');
  assert.equal([stand.store.state.behind, report.unnamed], ['', []]);
  assert.is((await stand.grant('b', 'clone')).epoch, MARGIN + 1);
});

test('what a cancelled migration left is not the newest where its writer is back without what it had', async ({
  stand,
}) => {
  const ends = [{ epoch: 4, lastSequence: 60 }];
  const table = { lastSequence: 200, entries: 9, digest: 'cd'.repeat(16) };
  const writer = reportedLayer({ layer: TOP, role: 'writer', epoch: 5, ends, table });
  const cancelled = closedLayer(closing(5, 100), { epoch: 6, ends, role: 'replica' });
  assert.is(image(await stand.rebuild({ a: [writer], b: [cancelled] })).node, 'a');
  const kept = await stand.records();
  stand.lose();
  assert.is(image(await stand.rebuild({ b: [cancelled] }, { kept })).verdict, 'uncertain');
  assert.equal((await stand.rebuild({ a: [], b: [cancelled] }, { kept, mode: 'reconcile' })).images, []);
  assert.match(stand.head().doubt ?? '', /a/, 'it is for a person to say');
  assert.is((await refusal(stand.grant('b'))).code, 'IMAGE_UNCERTAIN');
});

test('what a person has set of an image is as the kept records have it', async ({ stand }) => {
  await stand.rebuild({ a: [closedLayer(closing(3, 70))], b: [] });
  const pin = { place: 'alpha', nodes: ['a'] };
  await stand.calls['pin.set']({ kind: 'image', name: 'web', pin, holder: 'a' }, context);
  const kept = await stand.records();
  stand.lose();
  await stand.rebuild({ a: [closedLayer(closing(3, 70))], b: [] }, { kept });
  assert.equal([stand.head().pin, stand.head().doubt], [pin, undefined]);
});

test('without kept records it is said what no store knows, and no layer is lost', async ({ stand }) => {
  const report = await stand.rebuild({
    a: [closedLayer(closing(3, 70)), reportedLayer({ layer: layerName(8), role: 'sealed', image: 'old' })],
    b: [],
  });
  assert.match(report.notes.join(), 'the names of snapshots are lost');
  assert.equal(report.unnamed, [{ layer: layerName(8), image: 'old', nodes: ['a'] }]);
});

test('what is on its way out is not made again', async ({ stand }) => {
  await keptRecords(stand);
  await stand.calls['image.remove']({ image: 'clone', nodes: ['a', 'b'] }, context);
  const kept = await stand.records();
  stand.lose();
  const clone = reportedLayer({ layer: layerName(3), image: 'clone', closing: { ...closing(0, 9), image: 'clone' } });
  const report = await stand.rebuild({ a: [closedLayer(closing(0, 9)), clone], b: [] }, { kept });
  assert.equal(
    report.images.map(({ image: name }) => name),
    ['web'],
  );
  assert.equal(stand.store.leaving, [{ layer: layerName(3), nodes: ['a', 'b'] }]);
});

test('of two closings that differ in what an answer meant the stronger one counts', async ({ stand }) => {
  // The first is a stand-by's of a migration that was cancelled before the copies had formed.
  const copies = { scope: 'world' as const, count: 2, nodes: ['b', 'c'] };
  const last = { ...closing(3, 70), copies };
  await stand.rebuild({ a: [closedLayer(closing(3, 70), { epoch: 4 })], b: [closedLayer(last)], c: [] });
  assert.equal(stand.head().last.copies, copies);
});

test('kept records that know of a later end than any store make it uncertain', async ({ stand }) => {
  await stand.rebuild({ a: [closedLayer(closing(3, 70))], b: [] });
  await stand.grant('a');
  await stand.calls['epoch.close']({ image: 'web', node: 'a', closing: closing(3 + MARGIN + 1, 99) }, context);
  const kept = await stand.records();
  stand.lose();
  const found = image(await stand.rebuild({ a: [], b: [closedLayer(closing(3, 70))] }, { kept }));
  assert.equal([found.verdict, /closed later, under epoch 4100 at a/.test(found.reason)], ['uncertain', true]);
  assert.is(stand.store.get('web').granted, 3 + MARGIN + 1 + MARGIN, 'also what only the records have seen counts');
});

test('two images of one name are told apart by the kept records, and are uncertain without', async ({ stand }) => {
  const kept = await keptRecords(stand);
  stand.lose();
  const old = closedLayer(closing(7, 500), { layer: layerName(9) });
  const layers = { a: [closedLayer(closing(0, 9))], b: [old] };
  assert.equal(stand.store.heads, []);
  await stand.rebuild(layers, { kept });
  assert.is(stand.head().doubt, undefined);
  const other = new Stand();
  assert.match(image(await other.rebuild(layers)).reason, 'there are 2 images of the name');
});

test.run();
