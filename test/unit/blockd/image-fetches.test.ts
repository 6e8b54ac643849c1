// What an image fetches, and what of it is installed: only what its version names, and never over something newer.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { learn } from './learnt.ts';
import { isSettled, settle } from './manual-clock.ts';
import { firstByte, imageOf, reopen, slowPunching, smallImage } from './small-image.ts';

const block = (fill: number, blocks = 1): Buffer => Buffer.alloc(blocks * BLOCK_BYTES, fill);

test('missing blocks are asked for once, however many wait', async () => {
  const { image, source } = await smallImage([3, 4, 5]);
  const first = firstByte(image, 4);
  const second = image.readLater(3 * BLOCK_BYTES, 3 * BLOCK_BYTES);
  await settle();
  assert.equal(
    source.asked.map(({ node, runs }) => [node, runs.map((run) => [run.first, run.count])]),
    [
      ['b', [[4, 1]]],
      [
        'b',
        [
          [3, 1],
          [5, 1],
        ],
      ],
    ],
  );
  source.give(9);
  source.give(9);
  assert.is(await first, 9);
  assert.is((await second)[BLOCK_BYTES], 9);
  assert.is(image.fetchedBlocks.demand, 3);
});

test('a block that comes late does not replace a newer local write (A6)', async () => {
  const { image, source } = await smallImage([3]);
  const reading = firstByte(image, 3);
  await settle();
  await image.write(3 * BLOCK_BYTES, block(7), false);
  source.give(9);
  assert.is(await reading, 7);
  assert.is(await firstByte(image, 3), 7);
});

test('a block of another version is never installed', async () => {
  const { image, source, store } = await smallImage([3]);
  const reading = firstByte(image, 3);
  await settle();
  source.asked.shift()?.sink.arrived({ first: 3, count: 1, high: 256, low: 2 }, block(8));
  await settle();
  assert.is(store.table.contentOf(3), 1);
  source.give(9);
  assert.is(await reading, 9);
});

test('whoever waits for a block of a layer that was merged reads the layers that there are then', async () => {
  const { image, source } = await smallImage([3]);
  const merged = await smallImage();
  await merged.image.write(3 * BLOCK_BYTES, block(7), false);
  const reading = firstByte(image, 3);
  const caching = image.cache(3 * BLOCK_BYTES, BLOCK_BYTES);
  await settle();
  assert.is(image.isWaiting, true);
  image.layOver(merged.image.stack.top, []);
  assert.is(await reading, 7);
  await caching;
  assert.is(image.isWaiting, false);
  while (source.asked.length > 0) {
    source.deny();
    await settle();
  }
});

test('a partial write waits for the rest of its block', async () => {
  const { image, source } = await smallImage([3]);
  const writing = image.write(3 * BLOCK_BYTES + 10, Buffer.alloc(10, 5), true);
  if (writing === undefined) throw new Error('it was done at once');
  assert.not(await isSettled(writing));
  source.give(9);
  await writing;
  assert.equal([...(await image.readLater(3 * BLOCK_BYTES + 9, 3))], [9, 5, 5]);
});

test('an answer that it is elsewhere is followed; lost is only what every member denied (A12)', async () => {
  const { image, source } = await smallImage([3]);
  const reading = firstByte(image, 3);
  await settle();
  assert.is(source.asked[0]?.node, 'b');
  source.deny('c');
  await settle();
  assert.is(source.asked[0]?.node, 'c');
  assert.not(await isSettled(reading), 'while c has not answered it waits');
  source.deny();
  await assertCode(reading, 'BLOCKS_LOST');
});

test('who had no copy when it was asked is asked again once another says that it has one now', async () => {
  const { image, source } = await smallImage([3]);
  const reading = firstByte(image, 3);
  await settle();
  source.deny();
  await settle();
  assert.is(source.asked[0]?.node, 'c');
  source.deny('b');
  await settle();
  assert.is(source.asked[0]?.node, 'b', 'c has let its copy go to b meanwhile');
  source.give(9);
  assert.is(await reading, 9);
});

test('two who name each other are asked twice each, and no oftener', async () => {
  const { image, source } = await smallImage([3]);
  const reading = firstByte(image, 3);
  const asked: (string | undefined)[] = [];
  for (let answers = 0; answers < 4; answers++) {
    await settle();
    const node = source.asked[0]?.node;
    asked.push(node);
    source.deny(node === 'b' ? 'c' : 'b');
  }
  await assertCode(reading, 'BLOCKS_LOST');
  assert.equal(asked, ['b', 'c', 'b', 'c']);
});

test('a denial without a hint asks the other members', async () => {
  const { image, source } = await smallImage([3]);
  const reading = firstByte(image, 3);
  await settle();
  source.deny();
  await settle();
  assert.is(source.asked[0]?.node, 'c');
  source.give(9);
  assert.is(await reading, 9);
});

test('a fetched block does not come under a hole that is being punched', async () => {
  const { disk, punch, slow } = slowPunching();
  const { image, source, store } = await smallImage([], disk);
  await image.write(0, block(1), true);
  slow.now = true;
  const trimming = image.trim(0, BLOCK_BYTES, true);
  learn(store.table, 0, [3 * 256, 1], store.holderIndex('b'));
  const reading = firstByte(image, 0);
  await settle();
  assert.is(source.asked.length, 0, 'it is asked for afterwards');
  punch.resolve();
  await trimming;
  await settle();
  source.give(9);
  assert.is(await reading, 9);
});

test('nor when it was asked for before, and its zeros were a tail that is dropped', async () => {
  const { disk, punch, slow } = slowPunching();
  const { image, source, store } = await smallImage([3], disk);
  slow.now = true;
  const reading = firstByte(image, 3);
  await settle();
  const trimming = image.trim(3 * BLOCK_BYTES, BLOCK_BYTES, true);
  learn(store.table, 3, [256, 1], store.holderIndex('b'));
  source.give(9);
  punch.resolve();
  await trimming;
  await settle();
  source.give(9);
  await settle();
  await image.flush();
  assert.is(await firstByte(image, 3), 9);
  await reading;
});

test('a block is not installed while the record of its version is on its way to the disk', async () => {
  const { disk, sync } = slowSyncing();
  const { image, source, store } = await smallImage([], disk);
  await image.write(3 * BLOCK_BYTES, block(1), true);
  learn(store.table, 3, [3 * 256, 1], store.holderIndex('b'));
  sync.hold();
  const flushing = store.flush();
  const reading = firstByte(image, 3);
  await settle();
  source.give(9);
  await settle();
  assert.is(
    await firstByte(imageOf(await reopen(disk.afterCut({ kind: 'keep-all' }))), 3),
    1,
    'the old table, the old content',
  );
  sync.release();
  await flushing;
  await settle();
  source.give(9);
  assert.is(await reading, 9);
});

/** A disk whose syncs wait while the test holds them. */
function slowSyncing(): { disk: CrashDisk; sync: { hold(): void; release(): void } } {
  const disk = new CrashDisk();
  const open = disk.open.bind(disk);
  let held: PromiseWithResolvers<void> | undefined;
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    const slowly = async (): Promise<void> => {
      await held?.promise;
      await file.datasync();
    };
    return { ...file, datasync: slowly };
  };
  const hold = (): void => {
    held = Promise.withResolvers();
  };
  return { disk, sync: { hold, release: () => held?.resolve() } };
}

async function assertCode(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.is(error instanceof Error && 'code' in error ? error.code : undefined, code);
}

test.run();
