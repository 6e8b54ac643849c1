// In which order an image fetches what nobody asks for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Image } from '../../../blockd/image/image.ts';
import { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { createLayer } from '../../../blockd/store/image-files.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { BackgroundPull } from '../../../blockd/transfer/background-pull.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { learn } from './learnt.ts';
import { ManualClock } from './manual-clock.ts';
import { FakeSource, LAYER } from './small-image.ts';

const BLOCKS = 256;

async function pulling(missing: readonly number[]) {
  const store = await createLayer(new CrashDisk(), '/images', {
    image: 'web',
    layer: LAYER,
    bytes: BLOCKS * BLOCK_BYTES,
    isOrigin: true,
  });
  const source = new FakeSource();
  const clock = new ManualClock();
  const image = new Image({
    top: new LayerBlocks({ store, source, clock, node: 'a', members: () => ['a', 'b'] }),
    clock,
  });
  for (const block of missing) learn(store.table, block, [256, 1], store.holderIndex('b'));
  await image.open(2, { ...image.closing(), epoch: 1 }, null);
  const pace = { share: 1 };
  const pull = new BackgroundPull(image, clock, pace);
  /** Lets the pull run, answering each request; the blocks in the order in which they were asked for. */
  const run = async (): Promise<number[]> => {
    const asked: number[] = [];
    for (let turn = 0; turn < 20; turn++) {
      await clock.advance(1_000);
      while (source.asked.length > 0) {
        asked.push(...(source.asked[0]?.runs ?? []).map(({ first }) => first));
        source.give(9);
        await clock.advance(1);
      }
    }
    return asked;
  };
  return { pull, pace, run, store, image, source, clock };
}

test('without a word it goes from the first block to the last', async () => {
  const { pull, run, store } = await pulling([3, 70, 200, 130]);
  pull.setRate(1e6);
  assert.equal(await run(), [3, 70, 130, 200]);
  assert.is(store.table.census().elsewhere.size, 0);
});

test('what was read most at the source comes first, then the rest', async () => {
  const { pull, run, store } = await pulling([3, 70, 200, 130]);
  pull.prefer(Uint32Array.of(3, 1));
  pull.setRate(1e6);
  assert.equal(await run(), [200, 70, 3, 130]);
  assert.is(store.table.census().elsewhere.size, 0);
});

test('what was used at the source comes at the rate, the rest at the share that the pace leaves', async () => {
  const { pull, pace, source, clock } = await pulling(Array.from({ length: BLOCKS }, (_, block) => block));
  const cameIn = async (ms: number): Promise<number> => {
    let blocks = 0;
    for (let at = 0; at < ms; at += 10) {
      await clock.advance(10);
      for (; source.asked.length > 0; source.give(9)) blocks += source.asked[0]?.runs[0]?.count ?? 0;
    }
    return blocks;
  };
  pace.share = 1 / 8;
  pull.prefer(Uint32Array.of(2));
  pull.setRate(64 * BLOCK_BYTES);
  assert.is(await cameIn(1_000), 64, 'a second for the region that was used');
  assert.is(await cameIn(8_000), 64, 'eight for the next');
  pace.share = 1;
  assert.is(await cameIn(3_000), 128);
  assert.not(pull.isUnderWay);
});

test('it is under way until it has been through everything once', async () => {
  const { pull, source, clock } = await pulling([3]);
  assert.not(pull.isUnderWay);
  pull.setRate(1e6);
  await clock.advance(1);
  assert.ok(pull.isUnderWay);
  source.give(9);
  await clock.advance(1_000);
  assert.not(pull.isUnderWay);
});

test('neighbours are asked for in one request, in however many versions they are', async () => {
  const { image, store, source, clock, pull } = await pulling([]);
  for (let block = 0; block < 128; block++) learn(store.table, block, [256, 1 + block], store.holderIndex('b'));
  pull.setRate(1e9);
  await clock.advance(1);
  assert.equal(
    source.asked.map(({ runs }) => runs.length),
    [64, 64],
  );
  assert.is(image.stack.isAsked(100, 101), true);
});

test('what a client waits for is asked for again, and whichever comes first will do', async () => {
  const { image, source, clock, pull, store } = await pulling([5, 6]);
  pull.setRate(1e9);
  await clock.advance(1);
  const reading = image.readLater(5 * BLOCK_BYTES, 2 * BLOCK_BYTES);
  const again = image.readLater(5 * BLOCK_BYTES, 1);
  await clock.advance(1);
  assert.equal(
    source.asked.map(({ runs }) => runs.map(({ first, count }) => [first, count])),
    [[[5, 2]], [[5, 2]]],
    'the second client waits for what the first one asked for',
  );
  assert.ok(image.isWaiting);
  source.give(9);
  assert.equal([(await reading)[0], (await again)[0]], [9, 9]);
  assert.not(image.isWaiting);
  assert.equal(store.table.census().elsewhere.size, 0);
  source.give(9);
  await clock.advance(1);
  assert.equal(image.fetchedBlocks, { demand: 0, background: 2, pushed: 0 });
});

test.run();
