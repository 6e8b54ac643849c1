// A store that takes an offer and never comes to have everything is given up for another one; one that has more than its
// writer is not, whoever else is there (SOUNDNESS A13, D2).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FRAME_TYPE } from '../../../../blockd/peer/peer-frame.ts';
import type { CrashDisk } from '../../../crash/crash-disk.ts';
import { isSettled } from '../manual-clock.ts';
import { CopyStores, contentAfter, flushed, LAYER, LOST, SYNC, written } from './copy-stores.ts';

const TOP = 'l0000000000000002';
const CUT = { id: '000000000000000c', images: [{ image: 'web', layer: TOP }] };
const MINUTE_MS = 60_000;
/** In a frame. */
const TYPE_AT = 4;

async function copied(): Promise<CopyStores> {
  const stores = await CopyStores.make();
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  return stores;
}

/** What the writer shows of the store of its copy. */
function atB(stores: CopyStores): { reachable?: boolean; reason?: string } {
  return (
    stores
      .shelf('a')
      .get('web')
      .copies.show()
      .copies?.stores.find(({ node }) => node === 'b') ?? {}
  );
}

test('a store that has lost a layer below takes each offer in vain: a third one is taken', async () => {
  const stores = await copied();
  await stores.shelf('a').cuts.cut(CUT);
  await written(stores, 0, 8);
  await stores.clock.advance(3_000);
  await flushed(stores);
  const disk = stores.kill('b').afterCut(LOST);
  await disk.remove(`/state/layers/${LAYER}.data`);
  await stores.start('b', disk);
  await written(stores, 1, 9);
  const flush = flushed(stores);
  await stores.clock.advance(MINUTE_MS);
  assert.ok(await isSettled(flush));
  assert.equal((await contentAfter(stores.disk('c'), LOST, TOP, LAYER)).slice(0, 2), [8, 9]);
  assert.is(atB(stores).reachable, false);
  assert.match(atB(stores).reason ?? '', LAYER);
});

test('a store that comes to nothing some times and then has everything is kept', async () => {
  const stores = await copied();
  // It takes the offer, and then the writer cannot read what it is told; a stream ends with that.
  let failures = 2;
  stores.tamper = (bytes, from) => {
    if (from !== 'b' || bytes[TYPE_AT] === FRAME_TYPE.follow || failures-- <= 0) return bytes;
    return Uint8Array.from(bytes, () => 0xff);
  };
  stores.cutStreams();
  await written(stores, 1, 9);
  const flush = flushed(stores);
  await stores.clock.advance(MINUTE_MS);
  assert.ok(await isSettled(flush));
  assert.is(atB(stores).reachable, true);
});

for (const [how, stopped] of [
  ['put back as it was once', (disk: CrashDisk) => disk.afterKill()],
  ['put back, and without power', (disk: CrashDisk) => disk.afterCut(LOST)],
] as const) {
  test(`no third store answers for a writer that was ${how}`, async () => {
    const stores = await copied();
    const old = stopped(stores.disk('a'));
    await written(stores, 0, 9);
    await flushed(stores);
    stores.kill('a');
    await stores.start('a', old);
    await stores.clock.advance(2 * MINUTE_MS);
    await written(stores, 1, 5);
    const flush = flushed(stores);
    await stores.clock.advance(2 * MINUTE_MS);
    assert.not(await isSettled(flush));
    assert.is((await contentAfter(stores.disk('b'), LOST))[0], 9);
    assert.is((await contentAfter(stores.disk('c'), LOST))[0], 0, 'nor is it filled from there');
    assert.match(atB(stores).reason ?? '', 'put back');
  });
}

test.run();
