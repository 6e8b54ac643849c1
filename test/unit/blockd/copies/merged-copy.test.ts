// Copies of an image whose layers are merged: none waits for a layer that nobody has any more, and what is flushed stays.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CallContext } from '../../../../common/rpc/server.ts';
import { isSettled } from '../manual-clock.ts';
import { CopyStores, contentAfter, flushed, LAYER, LOST, SYNC, written } from './copy-stores.ts';

const { signal } = new AbortController();
const CONTEXT: CallContext<never> = { peer: { node: 'k', role: 'controller' }, progress: () => undefined, signal };
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

test.run();
