// Flushes that wait for copies at other stores (SOUNDNESS A13): what is answered is there, whatever happens meanwhile, and
// nothing waits for ever that can be decided.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../../blockd/table/block-version.ts';
import { isSettled } from '../manual-clock.ts';
import { blockOf, CopyStores, contentAfter, flushed, GO_ON, LOST, SYNC, written } from './copy-stores.ts';

test('a flush is answered once data and entries are durable at the other store', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await written(stores, 5, 8);
  stores.hold('b', 'a');
  const flush = flushed(stores);
  await stores.calm();
  assert.not(await isSettled(flush), 'nobody has said that it is there');
  await stores.release('b', 'a');
  await flush;
  const there = await contentAfter(stores.disk('b'), LOST);
  assert.equal([there[0], there[5], there[1]], [7, 8, 0]);
});

test('a write waits for nothing, a FUA write as a flush, and each write and trim of sync-write', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  const image = await stores.openAtA(SYNC);
  await image.write(0, blockOf(9), true);
  stores.hold('b', 'a');
  assert.is(image.write(0, blockOf(1), false), undefined);
  const fua = Promise.resolve(image.write(0, blockOf(2), true));
  await stores.calm();
  assert.not(await isSettled(fua));
  await stores.release('b', 'a');
  await fua;
  await stores.setPolicy({ ...SYNC, mode: 'sync-write' });
  await stores.clock.advance(1_000);
  stores.hold('b', 'a');
  const waiting = [image.write(0, blockOf(3), false), image.trim(0, BLOCK_BYTES, false), image.zero(0, 9_000, false)];
  await stores.calm();
  for (const one of waiting) assert.not(await isSettled(Promise.resolve(one)));
  await stores.release('b', 'a');
  await Promise.all(waiting);
  assert.equal((await contentAfter(stores.disk('b'), LOST)).slice(0, 3), [0, 0, 0]);
});

test('without the other store a flush waits; where the policy goes on it is answered, and that is said first', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  stores.kill('b');
  await written(stores, 0, 7);
  const flush = flushed(stores);
  await stores.clock.advance(60_000);
  assert.not(await isSettled(flush));
  assert.equal(shown(stores), { safeOn: 1, degraded: false, waitingFlushes: 1 });
  await stores.setPolicy(GO_ON);
  await flush;
  assert.equal(shown(stores), { safeOn: 1, degraded: true, waitingFlushes: 0 });
  await stores.start('b', stores.disk('b').afterCut(LOST));
  await stores.clock.advance(5_000);
  assert.equal(shown(stores), { safeOn: 2, degraded: false, waitingFlushes: 0 });
  assert.is((await contentAfter(stores.disk('b'), LOST))[0], 7);
});

function shown(stores: CopyStores): unknown {
  const { safeOn, degraded, waitingFlushes } = stores.shelf('a').get('web').copies.show().copies ?? {};
  return { safeOn, degraded, waitingFlushes };
}

test('a policy that goes on waits for a store that was lost only for a short time', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(GO_ON);
  stores.kill('b');
  await written(stores, 0, 7);
  const flush = flushed(stores);
  await stores.clock.advance(4_000);
  assert.not(await isSettled(flush));
  await stores.clock.advance(2_000);
  assert.ok(await isSettled(flush));
  assert.is(await isSettled(flushed(stores)), true, 'the next ones do not wait');
});

test('a policy without copies answers what waits', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  stores.kill('b');
  await written(stores, 0, 7);
  const flush = flushed(stores);
  await stores.calm();
  assert.not(await isSettled(flush));
  await stores.setPolicy({ mode: 'on-demand' });
  await flush;
  assert.is(stores.shelf('a').get('web').copies.show().copies, undefined);
});

test('more copies than before: what waits is decided anew', async () => {
  const stores = await CopyStores.make();
  await stores.openAtA(SYNC);
  await stores.setPolicy({ ...SYNC, copies: 3 });
  await stores.clock.advance(1_000);
  await written(stores, 3, 9);
  await flushed(stores);
  for (const node of ['b', 'c'] as const) assert.is((await contentAfter(stores.disk(node), LOST))[3], 9, node);
  stores.kill('c');
  await written(stores, 3, 10);
  const flush = flushed(stores);
  await stores.clock.advance(1_000);
  assert.not(await isSettled(flush));
  await stores.setPolicy(SYNC);
  await flush;
});

test('another store takes the place of one that stays away', async () => {
  const stores = await CopyStores.make();
  await stores.openAtA(SYNC);
  const [first] = stores.shelf('a').get('web').copies.show().copies?.stores ?? [];
  assert.is(first?.node, 'b');
  stores.kill('b');
  await written(stores, 1, 5);
  const flush = flushed(stores);
  await stores.clock.advance(20_000);
  await flush;
  assert.is((await contentAfter(stores.disk('c'), LOST))[1], 5);
});

test('a reconnected store counts only once it has said so again', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  stores.hold('b', 'a');
  stores.cutStreams();
  const flush = flushed(stores);
  await stores.clock.advance(3_000);
  assert.not(await isSettled(flush));
  await stores.release('b', 'a');
  await stores.clock.advance(3_000);
  await flush;
});

test('the word of a copy under another epoch, or for a table that never was, ends its stream and counts for nothing', async () => {
  for (const change of [
    // A durable frame is of type 20: its length, its type, its epoch, its mark.
    (bytes: Buffer) => bytes.writeUInt32BE(2, 5),
    (bytes: Buffer) => bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1),
    (bytes: Buffer) => bytes.writeUInt32BE(bytes.readUInt32BE(13) + 1, 13),
  ]) {
    const stores = await CopyStores.make(['a', 'b']);
    await stores.openAtA(SYNC);
    let changed = 0;
    stores.tamper = (bytes) => {
      const copy = Buffer.from(bytes);
      if (copy[4] === 20) {
        change(copy);
        changed++;
      }
      return copy;
    };
    await written(stores, 0, 7);
    const flush = flushed(stores);
    await stores.clock.advance(3_000);
    assert.ok(changed > 0);
    assert.not(await isSettled(flush));
    stores.tamper = (bytes) => bytes;
    await stores.clock.advance(3_000);
    await flush;
  }
});

test('a lost change is found by the digest and brought: nothing is acknowledged before (A4)', async () => {
  // Contents are frames of type 2, entries of type 7.
  for (const type of [2, 7]) {
    const stores = await CopyStores.make(['a', 'b']);
    await stores.openAtA(SYNC);
    stores.tamper = (bytes, from) => (from === 'a' && bytes[4] === type ? new Uint8Array(0) : bytes);
    await written(stores, 0, 7);
    const flush = flushed(stores);
    await stores.calm();
    stores.tamper = (bytes) => bytes;
    await stores.clock.advance(5_000);
    await flush;
    assert.is((await contentAfter(stores.disk('b'), LOST))[0], 7, `frames of type ${type}`);
  }
});

test.run();
