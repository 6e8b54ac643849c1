import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import type { CatalogueStore } from '../../../blockd/catalogue/catalogue-store.ts';
import { LevelStore } from '../../../blockd/catalogue/level-store.ts';
import { codeOf } from '../../../common/errors.ts';
import type { CallContext, Handlers } from '../../../common/rpc/server.ts';
import type { Closing, CutImage } from '../../../wire/contracts/blockd.ts';
import type { catalogueContract, Head } from '../../../wire/contracts/catalogue.ts';
import { layerName } from './layered-image.ts';

const [CUT, OTHER_CUT, MIGRATION] = ['00000000000000c1', '00000000000000c2', '00000000000000aa'] as const;
const DIGEST = 'ab'.repeat(16);
const NODES = ['a', 'b'];
const context: CallContext<null> = {
  peer: { node: 'k', role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
};

interface Catalogue {
  directory: string;
  store: CatalogueStore;
  calls: Handlers<typeof catalogueContract>;
}

const test = suite<Catalogue>('catalogue-layers');

test.before.each(async (catalogue) => {
  catalogue.directory = await mkdtemp(join(tmpdir(), 'catalogue-'));
  catalogue.store = await LevelStore.open(catalogue.directory);
  catalogue.calls = catalogueCalls(catalogue.store);
  for (const [number, image] of ['web', 'data'].entries()) {
    const closing = closingOf(image, 0, 5);
    const fresh = { image, layer: layerName(number + 1), bytes: 8192, holder: 'a', closing };
    await catalogue.calls['image.add'](fresh, context);
  }
});

test.after.each(async ({ directory, store }) => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

function closingOf(image: string, epoch: number, lastSequence: number, generation = 1): Closing {
  return { image, epoch, lastSequence, entries: 3, digest: DIGEST, generation };
}

/** As a node answers. */
function sealed(image: string, layer: string): CutImage {
  return { image, sealed: { layer, bytes: 8192, lastSequence: 9, entries: 4, digest: DIGEST } };
}

async function codeFrom(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

function begin({ calls }: Catalogue, snapshot: string, images: readonly string[], cut: string = CUT): unknown {
  const cuts = images.map((image, index) => ({ image, generation: 1, layer: layerName(10 + index) }));
  return calls['snapshot.begin']({ cut, snapshot, cuts }, context);
}

async function headOf({ calls }: Catalogue, image: string): Promise<Head> {
  return calls['image.head']({ image }, context);
}

async function snapshotOfClosed(catalogue: Catalogue, snapshot: string): Promise<void> {
  await begin(catalogue, snapshot, ['web']);
  await catalogue.calls['snapshot.finish']({ cut: CUT, snapshot, sealed: [], atMs: 1 }, context);
}

test('a snapshot of a closed image seals what it was closed with, and its numbers go on', async (catalogue) => {
  await snapshotOfClosed(catalogue, 'monday');
  const { stack, last, cut, epoch } = await headOf(catalogue, 'web');
  const layer = { layer: layerName(1), bytes: 8192, lastSequence: 5, entries: 3, digest: DIGEST };
  assert.equal(stack, { layer: layerName(10), generation: 2, below: [layer] });
  assert.equal([last.lastSequence, last.entries, last.generation, cut, epoch], [5, 0, 2, null, 0]);
  assert.equal(catalogue.store.snapshots, [
    { snapshot: 'monday', atMs: 1, disks: [{ image: 'web', bytes: 8192, holder: 'a', layers: [layer] }] },
  ]);
});

test('a snapshot says where else it is, also after the next place, and goes with that word', async (catalogue) => {
  const { calls, store } = catalogue;
  const recovery = { place: 'west', node: 'b', durableMs: 7 };
  assert.is(await codeFrom(() => calls['snapshot.arrived']({ snapshot: 'monday', recovery }, context)), 'NO_SNAPSHOT');
  await snapshotOfClosed(catalogue, 'monday');
  await calls['snapshot.arrived']({ snapshot: 'monday', recovery }, context);
  assert.equal(store.findSnapshot('monday')?.recovery, recovery);
  const later = { ...recovery, node: 'c' };
  assert.equal((await calls['snapshot.arrived']({ snapshot: 'monday', recovery: later }, context)).recovery, later);
  assert.is(store.findSnapshot('monday')?.disks.length, 1);
});

test('stores keep which layers stay there for a recovery point, from before the first block comes', async (catalogue) => {
  const { calls } = catalogue;
  const points = async () => (await calls['records.list']({}, context)).points;
  await snapshotOfClosed(catalogue, 'monday');
  assert.equal(await points(), []);
  await calls['snapshot.carry']({ snapshot: 'monday', node: 'b' }, context);
  const { serial } = catalogue.store.state;
  await calls['snapshot.carry']({ snapshot: 'monday', node: 'b' }, context);
  assert.is(catalogue.store.state.serial, serial, 'what is known is not written again');
  assert.equal(await points(), [{ layer: layerName(1), node: 'b' }]);
  await calls['snapshot.arrived'](
    { snapshot: 'monday', recovery: { place: 'west', node: 'b', durableMs: 7 } },
    context,
  );
  await calls['snapshot.carry']({ snapshot: 'monday', node: 'c' }, context);
  const both = ['c', 'b'].map((node) => ({ layer: layerName(1), node }));
  assert.equal(await points(), both, 'it stays where it is until it has arrived at its new place');
  await calls['snapshot.remove']({ snapshot: 'monday', nodes: ['a', 'b', 'c'] }, context);
  assert.equal(await points(), []);
});

test('open images are sealed as their node says, in one commit, and the same again', async (catalogue) => {
  const { calls } = catalogue;
  for (const image of ['web', 'data']) await calls['epoch.open']({ image, node: 'b' }, context);
  await begin(catalogue, 'monday', ['web', 'data']);
  const half = { cut: CUT, snapshot: 'monday', sealed: [sealed('web', layerName(1))], atMs: 1 };
  assert.is(await codeFrom(() => calls['snapshot.finish'](half, context)), 'CLOSING_MISSING');
  const wrong = { ...half, sealed: [sealed('web', layerName(1)), sealed('data', layerName(7))] };
  assert.is(await codeFrom(() => calls['snapshot.finish'](wrong, context)), 'OTHER_STACK');
  assert.is((await headOf(catalogue, 'web')).stack.generation, 1, 'all or none');
  const whole = { ...half, sealed: [sealed('web', layerName(1)), sealed('data', layerName(2))] };
  const made = await calls['snapshot.finish'](whole, context);
  assert.equal(
    made.disks.map(({ holder }) => holder),
    ['b', 'b'],
  );
  assert.equal(await calls['snapshot.finish'](whole, context), made);
  assert.equal((await headOf(catalogue, 'data')).stack.below, [sealed('data', layerName(2)).sealed]);
  const closing = closingOf('web', 1, 12, 1);
  const close = (generation: number): unknown =>
    calls['epoch.close']({ image: 'web', node: 'b', closing: { ...closing, generation } }, context);
  assert.is(await codeFrom(() => close(1)), 'OTHER_STACK', 'a closing of the old layers ends nothing');
  assert.is(await codeFrom(() => close(2)), undefined);
});

test('while a cut stands nothing else begins or ends, and while a transfer stands no cut does', async (catalogue) => {
  const { calls } = catalogue;
  await calls['epoch.open']({ image: 'web', node: 'a' }, context);
  await begin(catalogue, 'monday', ['web']);
  const closing = closingOf('web', 1, 9);
  for (const act of [
    () => calls['epoch.open']({ image: 'web', node: 'a' }, context),
    () => calls['epoch.close']({ image: 'web', node: 'a', closing }, context),
    () => calls['epoch.abandon']({ image: 'web', node: 'a', epoch: 1 }, context),
    () => calls['transfer.begin']({ migration: MIGRATION, images: ['web'], from: 'a', to: 'b' }, context),
    () => calls['image.remove']({ image: 'web', nodes: NODES }, context),
    () => calls['image.resize']({ image: 'web', layer: layerName(8), bytes: 16_384 }, context),
    () => begin(catalogue, 'tuesday', ['web'], OTHER_CUT),
  ])
    assert.is(await codeFrom(act), 'CUT_STANDS');
  assert.is(await codeFrom(() => begin(catalogue, 'monday', ['data'], OTHER_CUT)), 'SNAPSHOT_EXISTS');
  await calls['snapshot.abort']({ cut: CUT }, context);
  await calls['transfer.begin']({ migration: MIGRATION, images: ['web'], from: 'a', to: 'b' }, context);
  assert.is(await codeFrom(() => begin(catalogue, 'monday', ['web'])), 'TRANSFER_STANDS');
});

test('a cut by an old generation, and of images at two nodes, is refused', async (catalogue) => {
  await snapshotOfClosed(catalogue, 'monday');
  assert.is(await codeFrom(() => begin(catalogue, 'tuesday', ['web'], OTHER_CUT)), 'STACK_CHANGED');
  const { calls } = catalogue;
  await calls['epoch.open']({ image: 'web', node: 'a' }, context);
  await calls['epoch.open']({ image: 'data', node: 'b' }, context);
  assert.is(await codeFrom(() => begin(catalogue, 'tuesday', ['web', 'data'], OTHER_CUT)), 'NOT_TOGETHER');
});

test('a clone has an empty top over the same layers; an image only grows', async (catalogue) => {
  const { calls } = catalogue;
  await snapshotOfClosed(catalogue, 'monday');
  const order = { image: 'clone', layer: layerName(20), snapshot: 'monday', disk: 'web' };
  const clone = await calls['image.clone'](order, context);
  assert.equal(clone.stack.below, (await headOf(catalogue, 'web')).stack.below);
  assert.equal([clone.epoch, clone.last.lastSequence, clone.last.entries, clone.holder], [0, 5, 0, 'a']);
  assert.equal(await calls['image.clone'](order, context), clone, 'the same again');
  assert.is(await codeFrom(() => calls['image.clone']({ ...order, layer: layerName(21) }, context)), 'IMAGE_EXISTS');
  const resize = (bytes: number): unknown =>
    calls['image.resize']({ image: 'clone', layer: layerName(22), bytes }, context);
  assert.is(await codeFrom(() => resize(4096)), 'SHRINK_REFUSED');
  await resize(16_384);
  const grown = await headOf(catalogue, 'clone');
  assert.equal([grown.bytes, grown.stack.generation, grown.stack.below.length], [16_384, 2, 2]);
  assert.is(grown.stack.below[0]?.bytes, 8192);
  await calls['epoch.open']({ image: 'clone', node: 'a' }, context);
  assert.is(await codeFrom(() => resize(32_768)), 'IMAGE_OPEN');
});

test('a layer that only a snapshot names stays until that is removed', async (catalogue) => {
  const { calls } = catalogue;
  await snapshotOfClosed(catalogue, 'monday');
  const { leaving } = await calls['image.remove']({ image: 'web', nodes: NODES }, context);
  assert.equal(
    leaving.map(({ layer }) => layer),
    [layerName(10)],
  );
  const after = await calls['snapshot.remove']({ snapshot: 'monday', nodes: NODES }, context);
  assert.equal(
    after.leaving.map(({ layer }) => layer),
    [layerName(1)],
  );
});

test('a layer leaves when nothing names it any more, and not before (A21)', async (catalogue) => {
  const { calls } = catalogue;
  await snapshotOfClosed(catalogue, 'monday');
  await calls['image.clone']({ image: 'clone', layer: layerName(20), snapshot: 'monday', disk: 'web' }, context);
  const left = async (call: unknown): Promise<string[]> => {
    const { leaving } = (await call) as { leaving: { layer: string }[] };
    return leaving.map(({ layer }) => layer);
  };
  const layers = [layerName(1), layerName(30)];
  assert.equal(await left(calls['layer.leave']({ layers, nodes: NODES }, context)), [layerName(30)]);
  const isNeeded = async (layer: string): Promise<boolean> =>
    (await calls['layer.needed']({ layer }, context)).isNeeded;
  assert.equal([await isNeeded(layerName(1)), await isNeeded(layerName(30))], [true, false]);
  const nodes = NODES;
  assert.equal(await left(calls['image.remove']({ image: 'web', nodes }, context)), [layerName(10)]);
  assert.equal(await left(calls['image.remove']({ image: 'web', nodes }, context)), [], 'it is gone already');
  assert.equal(await left(calls['snapshot.remove']({ snapshot: 'monday', nodes }, context)), []);
  assert.equal(await left(calls['image.remove']({ image: 'clone', nodes }, context)), [layerName(20), layerName(1)]);
  await calls['layer.gone']({ layer: layerName(1), node: 'a' }, context);
  await calls['layer.gone']({ layer: layerName(1), node: 'a' }, context);
  await catalogue.store.close();
  catalogue.store = await LevelStore.open(catalogue.directory);
  const again = catalogueCalls(catalogue.store);
  const first = catalogue.store.leaving.find(({ layer }) => layer === layerName(1));
  assert.equal(first?.nodes, ['b'], 'who has let go is known after a restart');
  await again['layer.gone']({ layer: layerName(1), node: 'b' }, context);
  assert.not(catalogue.store.leaving.some(({ layer }) => layer === layerName(1)));
});

test('an open image grows by a cut of its node; it is as it was if that was not made', async (catalogue) => {
  const { calls } = catalogue;
  const order = { cut: CUT, image: 'web', generation: 1, layer: layerName(9), bytes: 16_384 };
  assert.is(await codeFrom(() => calls['growth.begin'](order, context)), 'NOT_WRITER', 'a closed one is resized');
  await calls['epoch.open']({ image: 'web', node: 'a' }, context);
  assert.is(await codeFrom(() => calls['growth.begin']({ ...order, bytes: 8_192 }, context)), 'SHRINK_REFUSED');
  const stale = { ...order, generation: 2 };
  assert.is(await codeFrom(() => calls['growth.begin'](stale, context)), 'STACK_CHANGED');
  const begun = await calls['growth.begin'](order, context);
  assert.equal(await calls['growth.begin'](order, context), begun, 'again');
  assert.equal([begun.bytes, begun.cut], [8_192, { id: CUT, layer: layerName(9), bytes: 16_384 }]);
  const move = { migration: MIGRATION, images: ['web'], from: 'a', to: 'b' };
  assert.is(await codeFrom(() => calls['transfer.begin'](move, context)), 'CUT_STANDS');
  await calls['snapshot.abort']({ cut: CUT }, context);
  assert.equal([(await headOf(catalogue, 'web')).bytes, (await headOf(catalogue, 'web')).cut], [8_192, null]);
  await calls['growth.begin'](order, context);
  const finish = { cut: CUT, image: 'web', sealed: [sealed('web', layerName(1))] };
  const head = await calls['growth.finish'](finish, context);
  assert.equal([head.bytes, head.writer, head.stack.layer, head.stack.generation], [16_384, 'a', layerName(9), 2]);
  assert.equal(head.stack.below[0]?.bytes, 8_192);
  assert.equal(await calls['growth.finish'](finish, context), head, 'again');
});

test.run();
