// A stand-by on the node that keeps the copy: whatever ends the copy's stream, the copy is kept again beside it, since the
// guest's flushes wait for it, and the guest's stop for them.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ImageHost } from '../../../../blockd/image/image-host.ts';
import { DEFAULT_SETTINGS } from '../../../../blockd/propagation/default-settings.ts';
import { BLOCK_BYTES } from '../../../../blockd/table/block-version.ts';
import type { CallContext } from '../../../../common/rpc/server.ts';
import { isSettled } from '../manual-clock.ts';
import {
  ALONE,
  BYTES,
  blockOf,
  CopyStores,
  contentAfter,
  flushed,
  LAYER,
  LOST,
  type Node,
  SYNC,
  written,
} from './copy-stores.ts';

const { signal } = new AbortController();

/** The image, written at a and copied to b. */
async function copied(): Promise<CopyStores> {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  return stores;
}

function idOf(epoch: number): string {
  return epoch.toString(16).padStart(16, '0');
}

async function standBy(stores: CopyStores, at: Node, node: Node, epoch: number): Promise<ImageHost> {
  const from = { node, address: '127.0.0.1' };
  const propagation = { ...DEFAULT_SETTINGS, policy: SYNC };
  const order = { migration: idOf(epoch), image: 'web', bytes: BYTES, stack: ALONE, epoch, from, propagation };
  const context: CallContext<never> = { peer: { node: 'k', role: 'controller' }, progress: () => undefined, signal };
  await stores.calls(at)['standby.start'](order, context);
  return stores.shelf(at).get('web');
}

/** A write is flushed while the stand-by waits, and is at b then; the move goes on to its end. */
async function goesOn(stores: CopyStores, host: ImageHost, first = 7): Promise<void> {
  await written(stores, 1, 8);
  const flush = flushed(stores);
  await stores.clock.advance(5_000);
  assert.ok(await isSettled(flush), 'the flush is answered while the stand-by waits');
  assert.equal((await contentAfter(stores.disk('b'), LOST)).slice(0, 2), [first, 8]);
  assert.is(await isSettled(host.ready(signal)), true);
  const closing = await stores.image('a').freeze(idOf(2));
  await stores.calm();
  const verified = host.verify(closing, signal);
  await stores.clock.advance(5_000);
  assert.ok(await isSettled(verified), 'it is compared with what was closed');
  assert.is(await verified, '');
  await host.activate(idOf(2));
  assert.is(stores.shelf('b').layers.find(LAYER)?.store.state.role, 'writer');
}

test('the stream of a copy beside a stand-by breaks', async () => {
  const stores = await copied();
  const host = await standBy(stores, 'b', 'a', 2);
  await host.ready(signal);
  stores.cutStreams();
  await goesOn(stores, host);
});

test('the node of a stand-by and of the copy loses its power', async () => {
  const stores = await copied();
  await standBy(stores, 'b', 'a', 2);
  await stores.start('b', stores.kill('b').afterCut(LOST));
  await goesOn(stores, stores.shelf('b').get('web'));
});

test('the copy that is kept again is all that the stand-by hears: no name hides what was flushed', async () => {
  const stores = await copied();
  await standBy(stores, 'b', 'a', 2);
  stores.cutStreams();
  await stores.clock.advance(3_000);
  stores.tamper = (bytes, from) => (from === 'a' ? Buffer.alloc(0) : bytes);
  await written(stores, 0, 9);
  await stores.clock.advance(2_500);
  assert.is((await contentAfter(stores.disk('b'), LOST))[0], 7);
});

test('an image that goes back at once stands by on the copy that its last writer has not yet made whole', async () => {
  const stores = await copied();
  const host = await standBy(stores, 'b', 'a', 2);
  const closing = await stores.image('a').freeze(idOf(2));
  await stores.calm();
  assert.is(await host.verify(closing, signal), '');
  await host.activate(idOf(2));
  await stores.image('a').end();
  stores.hold('a', 'b');
  await stores.clock.advance(3_000);
  assert.ok(stores.shelf('a').kept.keeps(LAYER));
  await stores.image('b').write(BLOCK_BYTES, blockOf(9), false);
  const flush = Promise.resolve(stores.image('b').flush());
  await standBy(stores, 'a', 'b', 3);
  assert.not(await isSettled(flush), 'the other store has not said that it has it');
  await stores.release('a', 'b');
  await stores.clock.advance(10_000);
  assert.ok(await isSettled(flush), 'the flush is answered while the stand-by waits');
});

test('a copy whose node was killed between a content and its record takes the image over', async () => {
  const stores = await copied();
  const copy = stores.shelf('b').layers.find(LAYER)?.store;
  await written(stores, 0, 8);
  stores.hold('a', 'b');
  copy?.file.install(blockOf(8), 0);
  const disk = stores.kill('b').afterCut({ kind: 'keep-all' });
  stores.held.clear();
  await stores.start('b', disk);
  const flush = flushed(stores);
  await stores.clock.advance(10_000);
  assert.ok(await isSettled(flush));
  await goesOn(stores, await standBy(stores, 'b', 'a', 2), 8);
});

test.run();
