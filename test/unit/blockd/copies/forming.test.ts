// When the promise of copies begins: with the copies that are whole, so that no flush waits for one that is being filled;
// and from then on it holds, over a restart too (SOUNDNESS A13).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isSettled } from '../manual-clock.ts';
import { CopyStores, flushed, LOST, SYNC, written } from './copy-stores.ts';

test('while the copies form no flush waits, and that is said; from then on each does, also after a restart', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  stores.hold('b', 'a');
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  assert.equal(formed(stores), { safeOn: 1, forming: true });
  await stores.release('b', 'a');
  await stores.clock.advance(1_000);
  assert.equal(formed(stores), { safeOn: 2, forming: false });
  stores.hold('b', 'a');
  await written(stores, 0, 8);
  const flush = flushed(stores);
  await stores.clock.advance(60_000);
  assert.not(await isSettled(flush));
  await stores.start('a', stores.disk('a').afterCut(LOST));
  assert.is(formed(stores).forming, false, 'what was promised holds over a restart');
  const later = flushed(stores);
  await stores.calm();
  assert.not(await isSettled(later));
  await stores.setPolicy({ mode: 'on-demand' });
  await stores.setPolicy(SYNC);
  assert.is(formed(stores).forming, true, 'another policy begins anew');
  await later;
});

test('a third copy forms while flushes wait for the two that there are', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await stores.setPolicy({ ...SYNC, copies: 3 });
  assert.equal(formed(stores), { safeOn: 2, forming: true });
  stores.hold('b', 'a');
  await written(stores, 0, 7);
  const flush = flushed(stores);
  await stores.calm();
  assert.not(await isSettled(flush));
  await stores.release('b', 'a');
  await flush;
});

function formed(stores: CopyStores): { safeOn: number | undefined; forming: boolean | undefined } {
  const { safeOn, forming } = stores.shelf('a').get('web').copies.show().copies ?? {};
  return { safeOn, forming };
}

test.run();
