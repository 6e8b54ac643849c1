// A writer whose epoch the catalogue has ended while it was away: it learns it from the records that it is told, and what
// comes of the image then comes here too.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../../common/errors.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import type { SealedLayer, Stack } from '../../../wire/contracts/layers.ts';
import type { KeptRecords } from '../../../wire/contracts/store-report.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { layerName } from './layered-image.ts';
import { isSettled, ManualClock, settle } from './manual-clock.ts';
import { shelfOn } from './quiet-shelf.ts';
import { ALONE, BYTES, type Node, openAtA, type Stores } from './stores-between.ts';

const MIDDLE = layerName(11);
const TOP = layerName(12);
const AT_B = { image: 'web', epoch: 2, writer: 'b', holder: 'b', isDoubtful: false };
const { signal } = new AbortController();

/** The image as it has gone on at b under epoch 2, with a still writing under epoch 1 what nobody sees. */
interface Forked {
  readonly stores: Stores;
  /** What a writes over. */
  readonly stack: Stack;
}

async function forked(): Promise<Forked> {
  const stores = await openAtA();
  await stores.write('a', 0, 1);
  const stack = await cut(stores, 'a', MIDDLE, ALONE);
  await stores.write('a', 1, 1);
  const published = stores.at('a').get('web').image.closing();
  await stores.open('b', { stack, epoch: 2, last: published, from: 'a' });
  await passing(stores, Promise.all([stores.read('b', 0), stores.read('b', 1)]));
  await stores.write('a', 5, 99);
  await stores.write('b', 2, 2);
  return { stores, stack };
}

async function cut(stores: Stores, node: Node, layer: string, stack: Stack): Promise<Stack> {
  const order = { id: `00000000000000c${layer.at(-1)}`, images: [{ image: 'web', layer }] };
  const [made] = await stores.at(node).cuts.cut(order);
  if (made === undefined) throw new Error('nothing was cut');
  return { layer, generation: stack.generation + 1, below: [made.sealed, ...stack.below] };
}

async function passing<T>(stores: Stores, work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  for (let steps = 0; steps < 200 && !(await isSettled(work)); steps++) await stores.clock.advance(500);
  return work;
}

async function told(stores: Stores, serial: number, minded: Partial<KeptRecords>): Promise<void> {
  const mark = { incarnation: 1, serial };
  await stores.at('a').keepRecords({ mark, pins: [], records: [], ...minded });
  await settle();
}

function roleAtA(stores: Stores): string {
  return stores.at('a').get('web').image.store.state.role;
}

/** What comes of it when a tries. */
async function outcome(stores: Stores, work: Promise<unknown>): Promise<string | undefined> {
  return passing(stores, work).then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
}

test('a writer stays one until a newer epoch of its image than its own is told, as another node’s', async () => {
  const { stores } = await forked();
  const isStill = [
    { heads: [{ ...AT_B, epoch: 1 }], leaving: [{ layer: MIDDLE, nodes: ['b'] }] },
    { heads: [{ ...AT_B, image: 'other' }], leaving: [{ layer: TOP, nodes: ['a'] }] },
    { heads: [{ ...AT_B, isDoubtful: true }] },
    { heads: [{ ...AT_B, writer: 'a' }] },
    { heads: [{ ...AT_B, writer: null, holder: 'a' }], leaving: [{ layer: MIDDLE, nodes: ['a'] }] },
    { leaving: [{ layer: MIDDLE, nodes: ['b'] }] },
  ];
  for (const [serial, minded] of isStill.entries()) {
    await told(stores, serial + 1, minded);
    assert.is(roleAtA(stores), 'writer', JSON.stringify(minded));
  }
  await told(stores, 9, { heads: [{ ...AT_B, writer: null }] });
  assert.is(roleAtA(stores), 'replica');
});

test('one whose top was merged elsewhere merges it too, and opens the image again without what only it wrote', async () => {
  const { stores, stack } = await forked();
  const cutOnce = await cut(stores, 'b', TOP, stack);
  const [from, into] = cutOnce.below as [SealedLayer, SealedLayer];
  const merged = await passing(stores, stores.at('b').merges.plan(from, into));
  const order = { merge: { from, into, merged }, newest: merged, source: 'b' };
  assert.ok(await passing(stores, stores.at('b').merges.merge(order)));
  assert.is(await outcome(stores, stores.at('a').merges.merge(order)), 'LAYER_IN_USE');
  await told(stores, 1, { heads: [AT_B] });
  assert.ok(await passing(stores, stores.at('a').merges.merge(order)));
  const { below } = stores.at('b').get('web').image.store.state;
  const last = await stores.at('b').endEpoch('web', TOP, 2);
  await opened(stores, { ...cutOnce, below: [...below] }, last);
});

test('and opens it also where the order comes before the records', async () => {
  const { stores, stack } = await forked();
  const cutOnce = await cut(stores, 'b', TOP, stack);
  const [from, into] = cutOnce.below as [SealedLayer, SealedLayer];
  const plan = await passing(stores, stores.at('b').merges.plan(from, into));
  const merged = { ...plan, merged: [{ layer: from.layer, lastSequence: from.lastSequence }] };
  assert.ok(
    await passing(stores, stores.at('b').merges.merge({ merge: { from, into, merged }, newest: merged, source: 'b' })),
  );
  const last = await stores.at('b').endEpoch('web', TOP, 2);
  await opened(stores, { ...cutOnce, below: [merged] }, last);
});

async function opened(stores: Stores, stack: Stack, last: Closing): Promise<void> {
  await passing(stores, stores.open('a', { stack, epoch: 9, last, from: 'b' }));
  const read = [0, 1, 2, 5].map((block) => stores.read('a', block));
  assert.equal(await passing(stores, Promise.all(read)), [1, 1, 2, 0]);
}

test('one is brought the layer as it is, for whoever reads it', async () => {
  const { stores, stack } = await forked();
  const { below } = await cut(stores, 'b', TOP, stack);
  const seed = (): Promise<unknown> =>
    stores
      .at('a')
      .layers.seed({ layers: below, source: 'b', rateBytesPerSecond: 1e9, signal, progress: () => undefined });
  assert.is(await outcome(stores, seed()), 'LAYER_IN_USE');
  await told(stores, 1, { heads: [AT_B] });
  assert.is(await outcome(stores, seed()), undefined);
});

test('one whose image was deleted lets its layer go, and its name', async () => {
  const { stores } = await forked();
  assert.is(await outcome(stores, stores.at('a').drop(MIDDLE)), 'LAYER_IN_USE');
  await told(stores, 1, { heads: [], leaving: [{ layer: MIDDLE, nodes: ['a', 'b'] }] });
  assert.is(await outcome(stores, stores.at('a').drop(MIDDLE)), undefined);
  assert.is(await outcome(stores, stores.at('a').create('web', layerName(99), BYTES)), undefined);
});

test('one whose image was deleted, and another made of its name, lets it go too', async () => {
  const { stores } = await forked();
  await told(stores, 1, { heads: [{ ...AT_B, epoch: 1 }], leaving: [{ layer: MIDDLE, nodes: ['a'] }] });
  assert.is(await outcome(stores, stores.at('a').drop(MIDDLE)), undefined);
});

test('one gives way at a start, by what was told before', async () => {
  const { stores } = await forked();
  const disk = stores.disk('a').afterKill();
  await told(stores, 1, { heads: [AT_B] });
  const records = await stores.disk('a').readWhole('/state/records.json');
  await disk.replace('/state/records.json', records);
  await stores.start('a', disk);
  await settle();
  assert.is(roleAtA(stores), 'replica');
});

test('one that a client uses is left until the client goes', async () => {
  const clock = new ManualClock();
  let connections = 1;
  const serve = async (_device: unknown, name: string) => ({
    path: name,
    get connections() {
      return connections;
    },
    close: async () => undefined,
  });
  const shelf = await shelfOn(new CrashDisk(), 'a', { clock, serve });
  await shelf.create('web', ALONE.layer, BYTES);
  const last = shelf.get('web').image.closing();
  await (await shelf.ensure({ image: 'web', bytes: BYTES, stack: ALONE, epoch: 1 })).open(
    { epoch: 1, last, from: { node: 'a', address: '127.0.0.1' } },
    signal,
  );
  await shelf.keepRecords({
    mark: { incarnation: 1, serial: 1 },
    pins: [],
    records: [],
    heads: [{ ...AT_B, epoch: 5 }],
  });
  await clock.advance(30_000);
  assert.is(shelf.get('web').image.store.state.role, 'writer');
  connections = 0;
  await clock.advance(10_000);
  assert.is(shelf.get('web').image.store.state.role, 'replica');
  await shelf.close();
});

test.run();
