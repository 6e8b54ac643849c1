// What a replica takes of what its writer offers: what its own table names, verified and durable before it says so.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Image } from '../../../blockd/image/image.ts';
import { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { createLayer } from '../../../blockd/store/image-files.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { ImageArrival } from '../../../blockd/transfer/image-arrival.ts';
import { PushedBlocks } from '../../../blockd/transfer/pushed-blocks.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { learn } from './learnt.ts';
import { isSettled, ManualClock, settle } from './manual-clock.ts';
import { BLOCKS, FakeSource, LAYER, reopen } from './small-image.ts';

const [HIGH, LOW] = [256, 1];
const RUN = { first: 4, count: 2, high: HIGH, low: LOW };

/** A replica at node b that knows of blocks 4 to 7 at a. */
async function replica() {
  const disk = new CrashDisk();
  const bytes = BLOCKS * BLOCK_BYTES;
  const store = await createLayer(disk, '/images', { image: 'web', layer: LAYER, bytes, isOrigin: false });
  for (let block = 4; block < 8; block++) learn(store.table, block, [HIGH, LOW], store.holderIndex('a'));
  await store.flush();
  const source = new FakeSource();
  const clock = new ManualClock();
  const top = new LayerBlocks({ store, source, clock, node: 'b', members: () => ['a'] });
  const image = new Image({ top, clock });
  const arrival = new ImageArrival(image);
  return { disk, store, source, image, arrival, pushed: new PushedBlocks(image, arrival) };
}

test('what is taken is fetched as pushed, and durable before it is said to be here', async () => {
  const { disk, store, source, image, arrival, pushed } = await replica();
  const taking = pushed.take(LAYER, [RUN]);
  await settle();
  assert.not(await isSettled(taking));
  source.give(9);
  assert.is(await taking, true);
  assert.equal([image.fetchedBlocks.pushed, image.fetchedBlocks.demand], [2, 0]);
  assert.not(store.table.hasChanges);
  const again = await reopen(disk.afterCut({ kind: 'lose-all' }));
  assert.not(again.table.someMissing(4, 6));
  arrival.setTime(0);
  assert.is(arrival.counts.pending, 2);
});

test('what is here already is said to be, is not fetched, and was not pushed', async () => {
  const { source, arrival, pushed } = await replica();
  const first = pushed.take(LAYER, [RUN]);
  await settle();
  source.give(9);
  await first;
  assert.is(await pushed.take(LAYER, [RUN]), true);
  assert.is(source.asked.length, 0);
  assert.is(arrival.counts.pending, 2);
});

test('another version, another layer, and blocks beyond the end are not asked for', async () => {
  const { source, pushed } = await replica();
  assert.is(await pushed.take(LAYER, [{ ...RUN, low: LOW + 1 }]), false);
  assert.is(await pushed.take('l00000000000000bb', [RUN]), false);
  assert.is(await pushed.take(LAYER, [{ ...RUN, first: BLOCKS - 1 }]), false);
  assert.is(await pushed.take(LAYER, [RUN, { ...RUN, first: 8 }]), false);
  assert.is(source.asked.length, 0);
});

test('an image that is written here takes nothing', async () => {
  const { source, image, pushed } = await replica();
  await image.open(2, { ...image.closing(), epoch: 1 }, null);
  assert.is(await pushed.take(LAYER, [RUN]), false);
  assert.is(source.asked.length, 0);
});

test('a version that was overtaken on its way, and rubbish, are not here', async () => {
  const { store, source, arrival, pushed } = await replica();
  const overtaken = pushed.take(LAYER, [RUN]);
  await settle();
  learn(store.table, 4, [HIGH, LOW + 5], store.holderIndex('a'), { fill: 3 });
  source.give(9);
  assert.is(await overtaken, false);
  const rubbish = pushed.take(LAYER, [{ ...RUN, first: 6 }]);
  await settle();
  source.give(77);
  assert.is(await rubbish, false);
  assert.is(arrival.counts.pending, 0);
  assert.ok(store.table.someMissing(6, 7));
});

test('beyond what a writer may have under way offers are refused', async () => {
  const { source, pushed } = await replica();
  const taking = Array.from({ length: 2_048 }, () => pushed.take(LAYER, [RUN]));
  assert.is(await pushed.take(LAYER, [RUN]), false);
  await settle();
  source.give(9);
  assert.ok((await Promise.all(taking)).every((isHeld) => isHeld));
  assert.is(await pushed.take(LAYER, [RUN]), true);
});

test('of what was pushed only what the source tells anew of another version is wasted', async () => {
  const { source, arrival, pushed } = await replica();
  const taking = pushed.take(LAYER, [RUN]);
  await settle();
  source.give(9);
  await taking;
  const told = { ...RUN, flags: 3, holder: 0, sumAt: () => 0 };
  arrival.told(told);
  assert.is(arrival.counts.wasted, 0);
  arrival.told({ ...told, count: 1, low: LOW + 1 });
  assert.equal([arrival.counts.wasted, arrival.counts.pending], [1, 1]);
});

test.run();
