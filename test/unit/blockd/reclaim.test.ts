// Room is given back of what a layer's table has not here, and of nothing that may be wanted again.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checksumOf } from '../../../blockd/table/block-checksum.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { DATA } from '../../../blockd/table/version-run.ts';
import { Reclaim } from '../../../blockd/upkeep/reclaim.ts';
import { createLog } from '../../../common/log.ts';
import { CachedStores, filled, onDisk } from './cached-stores.ts';

test('room of blocks that are not here is given back, once for each table', async () => {
  const stores = new CachedStores();
  const a = await stores.add('a', [5, 6]);
  const newer = { first: 5, count: 1, high: 512, low: 9, flags: DATA, holder: 0 };
  a.store.table.learn({ ...newer, sumAt: () => checksumOf(filled(8)) }, a.store.holderIndex('b'));
  await a.store.flush();
  const reclaim = new Reclaim({
    layers: () => [a.layer],
    clock: stores.clock,
    log: createLog('test', 'silent'),
  });
  const steps = (): number => a.disk.steps;
  reclaim.start();
  await stores.clock.advance(60_000);
  assert.equal(await onDisk(a, 5), Buffer.alloc(BLOCK_BYTES));
  assert.equal(await onDisk(a, 6), filled(6));
  const before = steps();
  await stores.clock.advance(10 * 60_000);
  reclaim.stop();
  assert.is(steps(), before);
});

test('what the disk cannot read for a while keeps its place: it may be the last copy', async () => {
  const stores = new CachedStores();
  const a = await stores.add('a', [5, 6]);
  a.disk.badPages.add(5);
  assert.equal(await a.store.file.findSpoilt(5, 7), [5]);
  a.disk.badPages.wrote(5 * BLOCK_BYTES, BLOCK_BYTES);
  const reclaim = new Reclaim({ layers: () => [a.layer], clock: stores.clock, log: createLog('test', 'silent') });
  reclaim.start();
  await stores.clock.advance(60_000);
  reclaim.stop();
  assert.equal(await onDisk(a, 5), filled(5));
});

test.run();
