// A writer whose store was put back as it was once meets a copy that knows better: what was flushed stays there, and no
// flush is answered, until the image goes on under another epoch (SOUNDNESS A13, D2).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CrashDisk } from '../../../crash/crash-disk.ts';
import { isSettled } from '../manual-clock.ts';
import { ALONE, CopyStores, contentAfter, flushed, GO_ON, LOST, SYNC, written } from './copy-stores.ts';

/** Far longer than a copy needs to hear a whole table, however often it begins anew. */
const LONG_MS = 120_000;

/** The image at a with its copy at b: both were flushed with 9, and a is as it was with 7. */
async function putBack(stopped: (disk: CrashDisk) => CrashDisk): Promise<CopyStores> {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  const old = stopped(stores.disk('a'));
  await written(stores, 0, 9);
  await flushed(stores);
  assert.is(await firstAtB(stores), 9);
  stores.kill('a');
  await stores.start('a', old);
  await stores.clock.advance(LONG_MS);
  return stores;
}

async function firstAtB(stores: CopyStores): Promise<number | undefined> {
  return (await contentAfter(stores.disk('b'), LOST))[0];
}

for (const [how, stopped] of [
  ['killed', (disk: CrashDisk) => disk.afterKill()],
  ['without power', (disk: CrashDisk) => disk.afterCut(LOST)],
] as const) {
  test(`what was flushed stays at the copy of a writer that was put back as it was once, ${how}`, async () => {
    const stores = await putBack(stopped);
    assert.is(await firstAtB(stores), 9);
    await written(stores, 1, 5);
    const flush = flushed(stores);
    await stores.clock.advance(LONG_MS);
    assert.not(await isSettled(flush));
    assert.is(await firstAtB(stores), 9);
  });
}

for (const [how, policy, isAway] of [
  ['where the policy would go on with fewer copies', GO_ON, false],
  ['and a third store is filled before the copy is back', SYNC, true],
] as const) {
  test(`a writer that was put back answers no flush, ${how}`, async () => {
    const stores = await CopyStores.make();
    await stores.openAtA(policy);
    await written(stores, 0, 7);
    await flushed(stores);
    const old = stores.disk('a').afterKill();
    await written(stores, 0, 9);
    await flushed(stores);
    stores.kill('a');
    if (isAway) stores.away.add('b');
    await stores.start('a', old);
    await stores.clock.advance(10_000);
    stores.away.delete('b');
    await stores.clock.advance(LONG_MS);
    await written(stores, 1, 5);
    const flush = flushed(stores);
    await stores.clock.advance(LONG_MS);
    assert.not(await isSettled(flush));
    assert.is(await firstAtB(stores), 9);
  });
}

test('nor one that was put back to before its copies had formed', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  stores.hold('b', 'a');
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  const old = stores.disk('a').afterKill();
  await stores.release('b', 'a');
  await stores.clock.advance(3_000);
  await written(stores, 0, 9);
  await flushed(stores);
  assert.is(await firstAtB(stores), 9);
  stores.kill('a');
  await stores.start('a', old);
  await stores.clock.advance(LONG_MS);
  await written(stores, 1, 5);
  const flush = flushed(stores);
  await stores.clock.advance(LONG_MS);
  assert.not(await isSettled(flush));
});

test('once the image goes on under another epoch the copy follows it', async () => {
  const stores = await putBack((disk) => disk.afterKill());
  const last = await stores.image('a').end();
  await stores.open('a', ALONE, 2, last, SYNC);
  await stores.clock.advance(LONG_MS);
  await written(stores, 1, 5);
  await flushed(stores);
  assert.equal((await contentAfter(stores.disk('b'), LOST)).slice(0, 2), [7, 5]);
});

test('a writer that was killed, and one whose power failed, are followed as ever', async () => {
  for (const stopped of [(disk: CrashDisk) => disk.afterKill(), (disk: CrashDisk) => disk.afterCut(LOST)]) {
    const stores = await CopyStores.make(['a', 'b']);
    await stores.openAtA(SYNC);
    await written(stores, 0, 7);
    await flushed(stores);
    await written(stores, 0, 8);
    const left = stopped(stores.disk('a'));
    stores.kill('a');
    await stores.start('a', left);
    await stores.clock.advance(LONG_MS);
    await written(stores, 1, 5);
    const flush = flushed(stores);
    await stores.clock.advance(LONG_MS);
    assert.ok(await isSettled(flush));
  }
});

test.run();
