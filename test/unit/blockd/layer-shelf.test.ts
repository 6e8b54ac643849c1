// What other stores hear of a layer: what is here, that it is not here, or nothing at all.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { layerName } from './layered-image.ts';
import { shelfOn } from './quiet-shelf.ts';

const LAYER = layerName(1);

test('a layer that is here and cannot be used is not denied: its blocks may be the only ones (S5)', async () => {
  const disk = new CrashDisk();
  const shelf = await shelfOn(disk, 'a');
  await shelf.create('web', LAYER, 4 * BLOCK_BYTES);
  assert.ok(shelf.layers.served(LAYER)?.store !== undefined);
  assert.is(shelf.layers.served(layerName(2))?.store, undefined);
  await shelf.close();
  disk.failsSync = (path) => path.endsWith('.journal');
  const broken = await shelfOn(disk, 'a');
  assert.is(broken.layers.served(LAYER), undefined);
  assert.ok(broken.layers.served(layerName(2)) !== undefined, 'what is not here is denied still');
});

test('a stream is served with the newest epoch that the records here know of', async () => {
  const shelf = await shelfOn(new CrashDisk(), 'a');
  await shelf.create('web', LAYER, 4 * BLOCK_BYTES);
  assert.is(shelf.layers.served(LAYER)?.newestEpoch?.(), 0);
  const head = { image: 'web', epoch: 7, writer: 'b', holder: 'b', isDoubtful: false };
  await shelf.keepRecords({ mark: { incarnation: 1, serial: 1 }, pins: [], records: [], heads: [head] });
  assert.is(shelf.layers.served(LAYER)?.newestEpoch?.(), 7);
});

test('a layer that is dropped while the last of it is imported is gone once both are over', async () => {
  const disk = new CrashDisk();
  await disk.replace('/uploads/disk.raw', Buffer.alloc(4 * BLOCK_BYTES, 7));
  const shelf = await shelfOn(disk, 'a');
  const drops: Promise<void>[] = [];
  const job = {
    image: 'web',
    layer: LAYER,
    path: '/uploads/disk.raw',
    format: 'raw' as const,
    signal: new AbortController().signal,
  };
  await shelf.import({ ...job, progress: () => void drops.push(shelf.drop(LAYER)) });
  await Promise.all(drops);
  assert.is(drops.length, 1);
  assert.is(shelf.find('web'), undefined);
  assert.equal(await disk.list('/state/layers'), []);
});

test('what two want at once is made once, and who drops it waits for that', async () => {
  const disk = new CrashDisk();
  const { layers } = await shelfOn(disk, 'a');
  const fresh = { image: 'web', layer: LAYER, bytes: 4 * BLOCK_BYTES, isOrigin: false };
  const [one, other] = await Promise.all([layers.findOrCreate(fresh), layers.findOrCreate(fresh)]);
  assert.is(one, other);
  assert.is(await layers.findOrCreate(fresh), one);
  assert.throws(() => layers.create(fresh), /is here already/);
  const second = layers.findOrCreate({ ...fresh, layer: layerName(2) });
  await Promise.all([second, layers.drop(layerName(2))]);
  assert.is(layers.find(layerName(2)), undefined);
  assert.ok(!(await disk.list('/state/layers')).some((name) => name.includes(layerName(2))));
});

test.run();
