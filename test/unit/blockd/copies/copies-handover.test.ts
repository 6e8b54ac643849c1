// Flushes that wait for copies when the image ends, is frozen, cut, or goes on at the node of a copy: nothing is answered
// that is not there, and what the copy has is not fetched again.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../../blockd/table/block-version.ts';
import { codeOf } from '../../../../common/errors.ts';
import { isSettled } from '../manual-clock.ts';
import { ALONE, BLOCKS, CopyStores, contentAfter, flushed, GO_ON, LAYER, LOST, SYNC, written } from './copy-stores.ts';

test('an end of the image ends what waits: its client asks the next writer', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  const image = await stores.openAtA(SYNC);
  stores.kill('b');
  await written(stores, 0, 7);
  const flush = flushed(stores);
  await stores.calm();
  await image.freeze('00000000000000aa');
  await stores.calm();
  assert.not(await isSettled(flush), 'a freeze neither answers nor ends it');
  await image.end();
  assert.is(codeOf(await flush.catch((error: unknown) => error)), 'EXPORT_ENDED');
  assert.is(codeOf(await flushed(stores).catch((error: unknown) => error)), 'EXPORT_ENDED');
});

test('while the image is on its way to another node nothing is answered, whatever is told meanwhile', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  const image = await stores.openAtA(GO_ON);
  stores.hold('b', 'a');
  await written(stores, 0, 7);
  const flush = flushed(stores).catch((error: unknown) => error);
  await stores.calm();
  const ended = image.end();
  const { copies } = stores.shelf('a').get('web');
  for (let turn = 0; turn < 500; turn++) {
    copies.review();
    await Promise.resolve();
  }
  await ended;
  assert.is(codeOf(await flush), 'EXPORT_ENDED');
});

test('a thawed image goes on under its policy', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  const image = await stores.openAtA(SYNC);
  stores.hold('b', 'a');
  await written(stores, 0, 7);
  const flush = flushed(stores);
  await image.freeze('00000000000000aa');
  await image.thaw();
  assert.not(await isSettled(flush));
  await stores.release('b', 'a');
  await stores.clock.advance(3_000);
  await flush;
});

test('a cut changes the layer under a waiting flush: it is answered when all layers are there', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  stores.hold('b', 'a');
  await written(stores, 1, 8);
  const flush = flushed(stores);
  const top = 'l0000000000000002';
  await stores.shelf('a').cuts.cut({ id: '00000000000000c1', images: [{ image: 'web', layer: top }] });
  await written(stores, 1, 9);
  const later = flushed(stores);
  await stores.calm();
  assert.not((await isSettled(flush)) || (await isSettled(later)));
  await stores.release('b', 'a');
  await stores.clock.advance(5_000);
  await flush;
  await later;
  const [below, above] = [await contentAfter(stores.disk('b'), LOST), await contentAfter(stores.disk('b'), LOST, top)];
  assert.equal([below[0], below[1], above[1]], [7, 8, 9]);
});

test('an image that grows under its flushes has copies of what is new too', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  const top = 'l0000000000000002';
  const bytes = 2 * BLOCKS * BLOCK_BYTES;
  await stores.shelf('a').cuts.cut({ id: '00000000000000c1', images: [{ image: 'web', layer: top, bytes }] });
  await written(stores, BLOCKS + 1, 9);
  const flush = flushed(stores);
  await stores.clock.advance(5_000);
  await flush;
  const kept = stores.shelf('b').layers.find(top)?.store;
  assert.equal([kept?.bytes, kept?.table.allInFile(BLOCKS + 1, BLOCKS + 2)], [bytes, true]);
  assert.is((await contentAfter(stores.disk('b'), LOST))[0], 7);
});

test('the copy may be opened for writing when its writer is gone, and the old writer is told no', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  for (let block = 0; block < BLOCKS; block++) await written(stores, block, block + 1);
  await flushed(stores);
  const [layer] = stores.shelf('b').layers.all;
  if (layer === undefined) throw new Error('there is no copy');
  const last = { image: 'web', epoch: 1, generation: 1, ...layer.store.table.mark };
  await stores.open('b', ALONE, 3, last);
  for (let block = 0; block < BLOCKS; block++) {
    assert.is((await stores.image('b').readLater(block * BLOCK_BYTES, 1))[0], block + 1);
  }
  await written(stores, 0, 99);
  const flush = flushed(stores);
  await stores.clock.advance(10_000);
  assert.not(await isSettled(flush), 'its own copy is no copy of the old writer');
  assert.is((await stores.image('b').readLater(0, 1))[0], 1);
});

test('a migration to the node of the copy: the flushes go on until the hold, and the writer there begins its own', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  const image = await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  const { layers, members } = stores.shelf('b');
  assert.is(members.names.length, 2);
  const host = await stores.shelf('b').ensure({ image: 'web', bytes: BLOCKS * BLOCK_BYTES, stack: ALONE, epoch: 2 });
  const migration = '00000000000000aa';
  const { signal } = new AbortController();
  await host.standBy({ migration, epoch: 2, from: { node: 'a', address: '127.0.0.1' } }, signal);
  await host.ready(signal);
  await written(stores, 1, 8);
  await flushed(stores);
  await written(stores, 2, 9);
  const closing = await image.freeze(migration);
  await stores.calm();
  assert.is(await host.verify(closing, signal), '');
  await host.activate(migration);
  await image.end();
  assert.is(layers.find(LAYER)?.store.state.role, 'writer');
  for (const [block, fill] of [7, 8, 9].entries()) {
    assert.is((await stores.image('b').readLater(block * BLOCK_BYTES, 1))[0], fill);
  }
  assert.is(layers.find(LAYER)?.fetchedBlocks.demand, 0, 'everything was there');
});

test('a stand-by whose copy ends hears the table over a stream of its own', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  const image = await stores.openAtA(SYNC);
  const host = await stores.shelf('b').ensure({ image: 'web', bytes: BLOCKS * BLOCK_BYTES, stack: ALONE, epoch: 2 });
  const migration = '00000000000000aa';
  const { signal } = new AbortController();
  await host.standBy({ migration, epoch: 2, from: { node: 'a', address: '127.0.0.1' } }, signal);
  await stores.setPolicy({ mode: 'on-demand' });
  await written(stores, 2, 9);
  const closing = await image.freeze(migration);
  await stores.clock.advance(1_000);
  assert.is(await host.verify(closing, signal), '');
});

test.run();
