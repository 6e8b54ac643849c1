// Copies of an image whose layers are merged: none waits for a layer that nobody has any more, and what is flushed stays.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_SETTINGS } from '../../../../blockd/propagation/default-settings.ts';
import type { CallContext, Handlers } from '../../../../common/rpc/server.ts';
import type { blockdContract } from '../../../../wire/contracts/blockd.ts';
import type { SealedLayer } from '../../../../wire/contracts/layers.ts';
import { isSettled } from '../manual-clock.ts';
import { CopyStores, contentAfter, flushed, LAYER, LOST, type Node, SYNC, written } from './copy-stores.ts';

const { signal } = new AbortController();
const CONTEXT: CallContext<never> = { peer: { node: 'k', role: 'controller' }, progress: () => undefined, signal };
type Order = Parameters<Handlers<typeof blockdContract>['layer.merge']>[0];
const MIDDLE = 'l0000000000000002';
const TOP = 'l0000000000000003';

async function cut(stores: CopyStores, layer: string): Promise<void> {
  await stores.shelf('a').cuts.cut({ id: `00000000000000c${layer.at(-1)}`, images: [{ image: 'web', layer }] });
}

test('a copy whose layer its writer has merged meanwhile goes on with the newest', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  await cut(stores, MIDDLE);
  await written(stores, 1, 8);
  const second = flushed(stores);
  await stores.clock.advance(5_000);
  await second;
  stores.away.add('b');
  stores.cutStreams();
  await written(stores, 2, 9);
  const flush = flushed(stores);
  await cut(stores, TOP);
  const [from, into] = stores.image('a').store.state.below;
  if (from === undefined || into === undefined) throw new Error('it was cut twice');
  const plan = Promise.resolve(stores.calls('a')['merge.plan']({ from, into }, CONTEXT));
  await stores.clock.advance(1_000);
  const { merged } = await plan;
  const order = { merge: { from, into, merged }, newest: merged, source: { node: 'a', address: '127.0.0.1' } };
  for (const node of ['a', 'b'] as const) {
    if (node === 'b') stores.away.delete('b');
    const isMerged = Promise.resolve(stores.calls(node)['layer.merge'](order, CONTEXT));
    await stores.clock.advance(20_000);
    assert.ok((await isMerged).isDone);
  }
  assert.is(stores.shelf('a').layers.find(MIDDLE), undefined);
  assert.ok(await isSettled(flush));
  const content = await contentAfter(stores.disk('b'), LOST, LAYER, TOP);
  assert.equal(content.slice(0, 3), [7, 8, 9]);
});

test('a copy over which a layer is merged, of which it knew the names alone, has the contents before it names them', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  stores.tamper = (bytes, source) => (source === 'a' ? Buffer.alloc(0) : bytes);
  stores.cutStreams();
  await cut(stores, MIDDLE);
  await written(stores, 0, 9);
  await stores.image('a').store.flush();
  await cut(stores, TOP);
  const [from, into] = stores.image('a').store.state.below;
  if (from === undefined || into === undefined) throw new Error('it was cut twice');
  const brought = stores.shelf('b').layers.bring(from, 'a', signal);
  await stores.clock.advance(1_000);
  assert.ok((await brought).store.table.hasMissing);
  const plan = Promise.resolve(stores.calls('a')['merge.plan']({ from, into }, CONTEXT));
  await stores.clock.advance(1_000);
  const { merged } = await plan;
  const order = { merge: { from, into, merged }, newest: merged, source: { node: 'a', address: '127.0.0.1' } };
  const isMerged = Promise.resolve(stores.calls('b')['layer.merge'](order, CONTEXT));
  await stores.clock.advance(10_000);
  assert.ok((await isMerged).isDone);
  assert.is((await contentAfter(stores.disk('b'), LOST))[0], 9);
});

test('what a copy knew by name alone, and nobody has any more since another was merged over it, holds up no merge', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await written(stores, 1, 7);
  await flushed(stores);
  stores.tamper = (bytes, source) => (source === 'a' ? Buffer.alloc(0) : bytes);
  stores.cutStreams();
  const LAST = 'l0000000000000004';
  for (const [fill, next] of [
    [9, MIDDLE],
    [5, TOP],
    [0, LAST],
  ] as const) {
    await cut(stores, next);
    if (fill > 0) await written(stores, 0, fill);
    if (next === MIDDLE) await written(stores, 1, 8);
  }
  const [second, first, lowest] = stores.image('a').store.state.below;
  if (second === undefined || first === undefined || lowest === undefined) throw new Error('it was cut three times');
  for (const sealed of [first, second]) {
    const brought = stores.shelf('b').layers.bring(sealed, 'a', signal);
    await stores.clock.advance(1_000);
    assert.ok((await brought).store.table.hasMissing);
  }
  const one = await planned(stores, first, lowest);
  await mergedAtA(stores, one);
  const two = await planned(stores, second, one.newest);
  await mergedAtA(stores, two);
  for (const order of [
    { ...one, newest: two.newest },
    { ...two, newest: two.newest },
  ])
    assert.ok(await mergedAtB(stores, order));
  assert.equal((await contentAfter(stores.disk('b'), LOST)).slice(0, 2), [5, 8]);
});

interface TwoLayers {
  readonly stores: CopyStores;
  readonly from: SealedLayer;
  readonly into: SealedLayer;
}

/** An image of two layers at a: the lower one is older at the copies, and the upper one has a block for each of them. */
async function cutTwice(copies: readonly Node[], others: readonly Node[] = []): Promise<TwoLayers> {
  const stores = await CopyStores.make(['a', ...copies, ...others]);
  for (const other of others) stores.away.add(other);
  await stores.openAtA({ ...SYNC, copies: 1 + copies.length });
  await flushed(stores);
  for (const other of others) stores.away.delete(other);
  stores.tamper = (bytes, source) => (source === 'a' ? Buffer.alloc(0) : bytes);
  stores.cutStreams();
  await written(stores, 0, 9);
  await cut(stores, MIDDLE);
  for (const [index] of copies.entries()) await written(stores, 4 + index, 8);
  await cut(stores, TOP);
  const [from, into] = stores.image('a').store.state.below;
  if (from === undefined || into === undefined) throw new Error('it was cut twice');
  return { stores, from, into };
}

/** A layer at a node, with one of its blocks. */
async function brought(stores: CopyStores, node: Node, sealed: SealedLayer, block: number): Promise<void> {
  const bringing = stores.shelf(node).layers.bring(sealed, 'a', signal);
  await stores.clock.advance(1_000);
  const fetch = (await bringing).fetch(block, block + 1, 'demand');
  await stores.clock.advance(1_000);
  await fetch;
}

async function planned(stores: CopyStores, from: SealedLayer, into: SealedLayer): Promise<Order> {
  const plan = Promise.resolve(stores.calls('a')['merge.plan']({ from, into }, CONTEXT));
  await stores.clock.advance(1_000);
  const parts = [{ layer: from.layer, lastSequence: from.lastSequence }, ...(into.merged ?? [])];
  const merged = { ...(await plan).merged, merged: parts };
  return { merge: { from, into, merged }, newest: merged, source: { node: 'a', address: '127.0.0.1' } };
}

/** Both become one at a. */
async function mergedAtA(stores: CopyStores, order: Order): Promise<void> {
  const isMerged = Promise.resolve(stores.calls('a')['layer.merge'](order, CONTEXT));
  await stores.clock.advance(2_000);
  assert.ok((await isMerged).isDone);
}

/** The upper layer's blocks are at one copy each alone, the first at block 4, the next at 5; and a has merged both. */
async function scattered(copies: readonly Node[]): Promise<{ stores: CopyStores; order: Order }> {
  const { stores, from, into } = await cutTwice(copies);
  const upper = stores.shelf('a').layers.find(MIDDLE)?.store;
  for (const [index, node] of copies.entries()) {
    await brought(stores, node, from, 4 + index);
    upper?.table.leave(4 + index, upper.holderIndex(node));
  }
  await upper?.flush();
  const order = await planned(stores, from, into);
  await mergedAtA(stores, order);
  return { stores, order };
}

/** Ordered at b for so many seconds; whether it is done by then. */
async function mergedAtB(stores: CopyStores, order: Order, seconds = 30): Promise<boolean> {
  for (let passed = 0; passed < seconds; passed += 6) {
    const ordered = Promise.resolve(stores.calls('b')['layer.merge'](order, CONTEXT));
    const isDone = ordered.then((answer) => answer.isDone).catch(() => false);
    await stores.clock.advance(6_000);
    if (await isDone) return true;
  }
  return false;
}

test('a copy that is merged elsewhere takes from its own upper layer what nobody else has', async () => {
  const { stores, order } = await scattered(['b']);
  assert.ok(await mergedAtB(stores, order));
  assert.is((await contentAfter(stores.disk('b'), LOST))[4], 8);
});

test('and asks one that has not merged it yet for what that alone has, by the name that it has there', async () => {
  const { stores, order } = await scattered(['b', 'c']);
  assert.ok(await mergedAtB(stores, order));
  assert.ok(stores.shelf('c').layers.find(MIDDLE), 'it was not ordered there');
  assert.equal((await contentAfter(stores.disk('b'), LOST)).slice(4, 6), [8, 8]);
});

test('a copy is merged over what the lower layer was where nobody who has merged it can be reached', async () => {
  const { stores, from, into } = await cutTwice(['b'], ['c']);
  await brought(stores, 'b', from, 4);
  await brought(stores, 'c', into, 0);
  const order = await planned(stores, from, into);
  stores.away.add('a');
  stores.cutStreams();
  assert.ok(await mergedAtB(stores, order, 90));
  const content = await contentAfter(stores.disk('b'), LOST);
  assert.equal([content[0], content[4]], [9, 8]);
});

test('a copy that was offered over a layer which its writer merges before it comes is offered over what that became', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(DEFAULT_SETTINGS.policy);
  await cut(stores, MIDDLE);
  await written(stores, 0, 9);
  await cut(stores, TOP);
  const [from, into] = stores.image('a').store.state.below;
  if (from === undefined || into === undefined) throw new Error('it was cut twice');
  const order = await planned(stores, from, into);
  stores.hold('a', 'b');
  await stores.setPolicy(SYNC);
  // It takes the offer, and cannot ask for the tables.
  stores.away.add('a');
  await stores.release('a', 'b');
  await stores.clock.advance(6_000);
  await mergedAtA(stores, order);
  stores.away.delete('a');
  await stores.clock.advance(10_000);
  assert.is(stores.shelf('a').get('web').copies.show().copies?.safeOn, 2);
  assert.is((await contentAfter(stores.disk('b'), LOST))[0], 9);
});

test.run();
