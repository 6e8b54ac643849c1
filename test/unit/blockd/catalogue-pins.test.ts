// Pins in the catalogue: what they cover, what they keep from going, and where what is pinned may be opened.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import { DEFAULT_SETTINGS } from '../../../blockd/propagation/default-settings.ts';
import type { Handlers } from '../../../common/rpc/server.ts';
import type { catalogueContract, Head } from '../../../wire/contracts/catalogue.ts';
import { refusal } from '../../refusal.ts';
import { closing, context } from './catalogue-entries.ts';
import { ModelStore } from './catalogue-model.ts';
import { layerName } from './layered-image.ts';

const ALPHA = { place: 'alpha', nodes: ['a', 'a2'] };
const BETA = { place: 'beta', nodes: ['b'] };

interface Stand {
  readonly store: ModelStore;
  readonly calls: Handlers<typeof catalogueContract>;
}

/** Image web, its snapshot monday, and a clone of that. */
async function made(): Promise<Stand> {
  const store = new ModelStore();
  const calls = catalogueCalls(store);
  const image = { image: 'web', layer: layerName(1), bytes: 4096, holder: 'b', closing: closing('web', 0, 1) };
  await calls['image.add'](image, context);
  const cut = '00000000000000c1';
  const cuts = [{ image: 'web', generation: 1, layer: layerName(2) }];
  await calls['snapshot.begin']({ cut, snapshot: 'monday', cuts }, context);
  await calls['snapshot.finish']({ cut, snapshot: 'monday', sealed: [], atMs: 1 }, context);
  await calls['image.clone']({ image: 'clone', layer: layerName(3), snapshot: 'monday', disk: 'web' }, context);
  return { store, calls };
}

async function codeFor(call: unknown): Promise<string> {
  return (await refusal(Promise.resolve(call))).code;
}

function pin({ calls }: Stand, kind: 'image' | 'snapshot', name: string, where: typeof ALPHA | null) {
  return calls['pin.set']({ kind, name, pin: where, holder: where?.nodes[0] ?? 'a' }, context);
}

test('the stores are told of how many copies each layer of an image is to be, by its policy', async () => {
  const { calls } = await made();
  const told = async (): Promise<unknown> => (await calls['records.list']({}, context)).copies;
  assert.equal(await told(), []);
  const policy = { mode: 'sync', copies: 3, scope: 'world', whenDegraded: 'wait' } as const;
  await calls['propagation.set']({ image: 'web', settings: { ...DEFAULT_SETTINGS, policy } }, context);
  assert.equal(
    await told(),
    [layerName(2), layerName(1)].map((layer) => ({ layer, copies: 3 })),
  );
});

test('a pinned image gets no policy whose copies would lie elsewhere, and one with such a policy no pin', async () => {
  const stand = await made();
  const { calls } = stand;
  const set = (copies: number, scope: 'cloud' | 'world'): Promise<unknown> => {
    const policy = { mode: 'sync', copies, scope, whenDegraded: 'wait' } as const;
    return Promise.resolve(
      calls['propagation.set']({ image: 'web', settings: { ...DEFAULT_SETTINGS, policy } }, context),
    );
  };
  await pin(stand, 'image', 'web', ALPHA);
  assert.is(await codeFor(set(2, 'world')), 'COPIES_PINNED');
  assert.is(await codeFor(set(3, 'cloud')), 'COPIES_PINNED');
  await set(2, 'cloud');
  await pin(stand, 'image', 'web', null);
  await set(2, 'world');
  assert.is(await codeFor(pin(stand, 'image', 'web', ALPHA)), 'COPIES_PINNED');
  assert.is(await codeFor(pin(stand, 'snapshot', 'monday', ALPHA)), 'COPIES_PINNED', 'the image stands on it');
});

test('a recovery point elsewhere keeps a pin away, and a pin a recovery point', async () => {
  const stand = await made();
  const { calls } = stand;
  const carry = (node: string): Promise<unknown> =>
    Promise.resolve(calls['snapshot.carry']({ snapshot: 'monday', node }, context));
  await carry('b');
  assert.is(await codeFor(pin(stand, 'image', 'web', ALPHA)), 'POINT_ELSEWHERE', 'it is on its way');
  assert.is(await codeFor(pin(stand, 'image', 'clone', ALPHA)), 'POINT_ELSEWHERE', 'it stands on it');
  assert.is(await codeFor(pin(stand, 'snapshot', 'monday', ALPHA)), 'POINT_ELSEWHERE');
  const recovery = { place: 'beta', node: 'b', durableMs: 1 };
  await calls['snapshot.arrived']({ snapshot: 'monday', recovery }, context);
  await carry('a');
  assert.is(await codeFor(pin(stand, 'image', 'web', ALPHA)), 'POINT_ELSEWHERE', 'it is there');
  await calls['snapshot.arrived'](
    { snapshot: 'monday', recovery: { ...recovery, place: 'alpha', node: 'a' } },
    context,
  );
  await pin(stand, 'image', 'web', ALPHA);
  assert.is(await codeFor(carry('b')), 'POINT_ELSEWHERE');
  await carry('a2');
});

test('a pin covers every layer of what is pinned, also what comes to lie on top, and says who stands on it', async () => {
  const stand = await made();
  const { store, calls } = stand;
  assert.equal(await pin(stand, 'image', 'web', ALPHA), { alsoHeld: ['clone'] });
  assert.equal([store.get('web').head.holder, store.get('clone').head.pin], ['a', undefined]);
  const { pins } = await calls['pin.list']({}, context);
  assert.equal(
    pins,
    [layerName(2), layerName(1)].map((layer) => ({ layer, ...ALPHA })),
  );
  const cut = '00000000000000c2';
  const cuts = [{ image: 'web', generation: 2, layer: layerName(4) }];
  await calls['snapshot.begin']({ cut, snapshot: 'tuesday', cuts }, context);
  assert.is((await calls['pin.list']({}, context)).pins.length, 3, 'a top that is about to be made');
  assert.equal((await calls['records.list']({}, context)).pins.length, 3, 'the stores are told');
  await calls['snapshot.abort']({ cut }, context);
  await pin(stand, 'image', 'web', null);
  assert.equal((await calls['pin.list']({}, context)).pins, []);
});

test('what is pinned does not go; unpinned it does', async () => {
  const stand = await made();
  const { calls } = stand;
  await pin(stand, 'snapshot', 'monday', ALPHA);
  await pin(stand, 'image', 'clone', ALPHA);
  assert.is(await codeFor(calls['snapshot.remove']({ snapshot: 'monday', nodes: [] }, context)), 'PINNED');
  assert.is(await codeFor(calls['image.remove']({ image: 'clone', nodes: [] }, context)), 'PINNED');
  await pin(stand, 'snapshot', 'monday', null);
  await calls['snapshot.remove']({ snapshot: 'monday', nodes: [] }, context);
});

test('a layer has one place', async () => {
  const stand = await made();
  await pin(stand, 'snapshot', 'monday', ALPHA);
  assert.is(await codeFor(pin(stand, 'image', 'clone', BETA)), 'PIN_CONFLICT');
  await pin(stand, 'image', 'clone', ALPHA);
  assert.is(await codeFor(pin(stand, 'snapshot', 'monday', BETA)), 'PIN_CONFLICT');
  await pin(stand, 'image', 'clone', null);
  await pin(stand, 'snapshot', 'monday', BETA);
  assert.is(stand.store.findSnapshot('monday')?.disks[0]?.holder, 'b');
});

test('it is opened elsewhere as a stub, moves to its place, and never away from it', async () => {
  const stand = await made();
  const { calls, store } = stand;
  await pin(stand, 'image', 'web', ALPHA);
  const head: Head = await calls['epoch.open']({ image: 'web', node: 'b' }, context);
  assert.equal(head.pin, ALPHA);
  const order = { migration: '00000000000000aa', images: ['web'], from: 'b' };
  assert.is(await codeFor(calls['transfer.begin']({ ...order, to: 'c' }, context)), 'PINNED');
  await calls['transfer.begin']({ ...order, to: 'a' }, context);
  const end = { ...closing('web', head.epoch, 1), generation: 2 };
  await calls['transfer.finish']({ migration: order.migration, moved: true, closings: [end] }, context);
  assert.is(store.get('web').head.writer, 'a');
  const away = { migration: '00000000000000bb', images: ['web'], from: 'a', to: 'b' };
  assert.is(await codeFor(calls['transfer.begin'](away, context)), 'PINNED');
  await calls['transfer.begin']({ ...away, to: 'a2' }, context);
});

test('an image that is open elsewhere is pinned only once it has moved', async () => {
  const stand = await made();
  await stand.calls['epoch.open']({ image: 'web', node: 'b' }, context);
  assert.is(await codeFor(pin(stand, 'image', 'web', ALPHA)), 'IMAGE_OPEN');
  await pin(stand, 'image', 'web', BETA);
});

test('what was opened since it was seen at the place is not pinned there: it may be newer elsewhere', async () => {
  const stand = await made();
  const { store, calls } = stand;
  const { epoch } = store.get('web').head;
  const granted = await calls['epoch.open']({ image: 'web', node: 'b' }, context);
  const generation = granted.stack.generation;
  await calls['epoch.close'](
    { image: 'web', node: 'b', closing: { ...closing('web', granted.epoch, 9), generation } },
    context,
  );
  const order = { kind: 'image', name: 'web', pin: ALPHA, holder: 'a' } as const;
  assert.is(await codeFor(calls['pin.set']({ ...order, epoch }, context)), 'IMAGE_CHANGED');
  assert.equal([store.get('web').head.pin, store.get('web').head.holder], [undefined, 'b']);
  await calls['pin.set']({ ...order, epoch: granted.epoch }, context);
  assert.is(store.get('web').head.holder, 'a');
});

test.run();
