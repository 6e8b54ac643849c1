// Data on the disk that changed by itself (promise S5): never served, healed from another holder, an error only when
// every member denied.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sealedOf } from '../../../blockd/image/image-cuts.ts';
import { StillImage } from '../../../blockd/image/still-image.ts';
import type { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { Healings } from '../../../blockd/upkeep/healings.ts';
import { Scrub } from '../../../blockd/upkeep/scrub.ts';
import { createLog } from '../../../common/log.ts';
import type { CrashDisk } from '../../crash/crash-disk.ts';
import { isSettled, settle } from './manual-clock.ts';
import { firstByte, imageOf, LAYER, reopen, type SmallImage, smallImage } from './small-image.ts';

const block = (fill: number, blocks = 1): Buffer => Buffer.alloc(blocks * BLOCK_BYTES, fill);

/** One bit of the block turns over on the disk. */
async function rot(disk: CrashDisk, number: number): Promise<void> {
  const file = await disk.open(`/images/${LAYER}.data`, 'write');
  const byte = Buffer.alloc(1);
  await file.read(byte, number * BLOCK_BYTES + 1234);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 4]), number * BLOCK_BYTES + 1234);
  await file.datasync();
}

async function rottenAt(number: number): Promise<SmallImage> {
  const small = await smallImage();
  await small.image.write(0, block(9, 4), true);
  await rot(small.disk, number);
  return small;
}

test('a spoilt block is fetched from a member that has its version, and healed for good', async () => {
  const { image, source, store, disk } = await rottenAt(2);
  const reading = image.readLater(0, 4 * BLOCK_BYTES);
  await settle();
  assert.equal(
    source.asked.map(({ node, runs }) => [node, runs.map(({ first, count }) => [first, count])]),
    [['b', [[2, 1]]]],
  );
  source.give(9);
  assert.equal(Buffer.from(await reading), block(9, 4));
  assert.is(store.file.spoiltBlocks, 1);
  await image.flush();
  const again = imageOf(await reopen(disk.afterCut({ kind: 'lose-all' })));
  assert.equal(Buffer.from(await again.readLater(0, 4 * BLOCK_BYTES)), block(9, 4));
});

test('a block that is spoilt as soon as it has come is fetched again, after a barrier', async () => {
  const { image, source, disk } = await smallImage([3]);
  const first = firstByte(image, 3);
  await settle();
  source.give(9);
  assert.is(await first, 9);
  await rot(disk, 3);
  const reading = firstByte(image, 3);
  await settle();
  source.give(9);
  await settle();
  assert.equal(source.asked, [], 'what came was installed');
  assert.is(await reading, 9);
});

test('an unaligned read looks at whole blocks', async () => {
  const { image } = await rottenAt(2);
  assert.not(image.tryRead(3 * BLOCK_BYTES - 10, Buffer.alloc(20)), 'its own bytes are right, its block is not');
  assert.ok(image.tryRead(0, Buffer.alloc(2 * BLOCK_BYTES)), 'the others are served');
});

test('a copy that is spoilt on its way, or at its holder, is no good copy: the next is asked', async () => {
  const { image, source } = await rottenAt(2);
  const reading = firstByte(image, 2);
  await settle();
  source.give(8);
  await settle();
  assert.is(source.asked[0]?.node, 'c');
  assert.not(await isSettled(reading));
  source.give(9);
  assert.is(await reading, 9);
});

test('an error comes only when every member denied, and the other blocks live on', async () => {
  const { image, source } = await rottenAt(2);
  const reading = firstByte(image, 2).catch((error: unknown) => error);
  await settle();
  source.deny();
  await settle();
  assert.not(await isSettled(reading));
  source.deny();
  assert.match(String(await reading), 'no node has a good copy of blocks 2 to 2');
  assert.is(await firstByte(image, 1), 9);
});

test('a write of a part does not give a spoilt rest a new checksum', async () => {
  const { image, source } = await rottenAt(2);
  const writing = image.write(2 * BLOCK_BYTES + 100, Buffer.alloc(10, 5), false);
  if (writing === undefined) throw new Error('it was written over the rot');
  await settle();
  source.give(9);
  await writing;
  const expected = block(9);
  expected.fill(5, 100, 110);
  assert.equal(Buffer.from(await image.readLater(2 * BLOCK_BYTES, BLOCK_BYTES)), expected);
});

test('a write of the whole block needs no help', async () => {
  const { image } = await rottenAt(2);
  assert.is(image.write(2 * BLOCK_BYTES, block(7), false), undefined);
  assert.is(await firstByte(image, 2), 7);
});

test('the scrub finds it while nobody reads, heals it, and goes on with the other images', async () => {
  const [one, other] = [await rottenAt(2), await rottenAt(3)];
  const done: string[] = [];
  const around = { clock: one.clock, log: createLog('test', 'silent') };
  const scrub = new Scrub({
    ...around,
    layers: () => [one.image.stack.top, other.image.stack.top],
    healings: new Healings({ ...around, isHere: () => true, members: () => ['a', 'b', 'c'] }),
    done: async (layer) => void done.push(layer),
  });
  scrub.start();
  await one.clock.advance(300);
  assert.equal(
    one.source.asked.map(({ runs }) => runs[0]?.first),
    [2],
  );
  one.source.give(9);
  await one.clock.advance(1_000);
  assert.is(one.store.file.spoiltBlocks, 1);
  assert.is(await firstByte(one.image, 2), 9);
  assert.equal(
    other.source.asked.map(({ runs }) => runs[0]?.first),
    [3],
  );
  assert.equal(done, [LAYER, LAYER], 'both were read from end to end');
  scrub.stop();
});

test('a layer of which the scrub could not read a part has not been read', async () => {
  const { image, clock, store } = await rottenAt(2);
  const done: string[] = [];
  const around = { clock, log: createLog('test', 'silent') };
  const { findSpoilt } = store.file;
  let fails = true;
  store.file.findSpoilt = (first, end) => {
    if (!fails) return findSpoilt.call(store.file, first, end);
    fails = false;
    return Promise.reject(new Error('EMFILE'));
  };
  const healings = { add: async () => 'healed' as const };
  const scrub = new Scrub({
    ...around,
    layers: () => [image.stack.top],
    healings,
    done: async (layer) => void done.push(layer),
  });
  scrub.start();
  await clock.advance(2_000);
  assert.equal([fails, done], [false, []]);
  await clock.advance(24 * 60 * 60 * 1_000 + 2_000);
  assert.equal(done, [LAYER], 'the next pass read all of it');
  scrub.stop();
});

test('a closed image that is copied out never gives zeros for what rots meanwhile', async () => {
  const { image, store } = await rottenAt(2);
  await image.end();
  const order = { image: 'web', bytes: store.bytes, layers: [sealedOf(store)] };
  const find = (): LayerBlocks => image.stack.top;
  const still = new StillImage(order, { find });
  assert.equal(await store.file.findSpoilt(0, 4), [2], 'the scrub was faster');
  const into = Buffer.alloc(4 * BLOCK_BYTES);
  assert.throws(() => still.read(0, into), 'not all here');
  assert.throws(() => new StillImage(order, { find }), 'at other nodes');
});

test('what is written while the scrub reads is not taken for rot', async () => {
  const { image, store, source } = await smallImage();
  await image.write(0, block(9, 4), true);
  const finding = store.file.findSpoilt(0, 4);
  await image.write(BLOCK_BYTES, block(7), false);
  assert.equal(await finding, []);
  assert.is(store.file.spoiltBlocks, 0);
  assert.is(source.asked.length, 0);
});

/** Four blocks at a, also durable, of which the disk cannot read the third. */
async function unreadable(): Promise<SmallImage> {
  const small = await smallImage();
  await small.image.write(0, block(9, 4), true);
  small.disk.badPages.add(2);
  return small;
}

test('a sector that the disk cannot read is fetched from a member, and written anew', async () => {
  for (const forgets of [true, false]) {
    const { image, source, store, disk } = await unreadable();
    // The page cache has nothing, or says so only when it is asked to wait.
    disk.forgets = () => forgets && disk.badPages.count > 0;
    const reading = image.readLater(0, 4 * BLOCK_BYTES);
    await settle();
    assert.equal(
      source.asked.map(({ node, runs }) => [node, runs.map(({ first, count }) => [first, count])]),
      [['b', [[2, 1]]]],
    );
    source.give(9);
    assert.equal(Buffer.from(await reading), block(9, 4));
    assert.is(store.file.spoiltBlocks, 1);
    assert.is(disk.badPages.count, 0, 'it was written over');
  }
});

test('a sector that nobody else has is an error for its own block alone, and a write heals it', async () => {
  const { image, source } = await unreadable();
  const reading = firstByte(image, 2).catch((error: unknown) => error);
  await settle();
  source.deny();
  await settle();
  source.deny();
  assert.match(String(await reading), 'no node has a good copy of blocks 2 to 2');
  assert.is(await firstByte(image, 3), 9);
  assert.is(image.write(2 * BLOCK_BYTES, block(7), false), undefined);
  assert.is(await firstByte(image, 2), 7);
});

test('a partial write over a sector that cannot be read waits for the rest of it', async () => {
  const { image, source } = await unreadable();
  const writing = image.write(2 * BLOCK_BYTES + 100, Buffer.alloc(10, 5), false);
  if (writing === undefined) throw new Error('it was written over what could not be read');
  await settle();
  source.give(9);
  await writing;
  assert.is(await firstByte(image, 2), 9);
});

test('the search finds a sector that cannot be read, and not one that was written meanwhile', async () => {
  const { image, store, disk } = await unreadable();
  disk.badPages.add(0);
  const finding = store.file.findSpoilt(0, 1);
  await image.write(0, block(7), false);
  assert.equal(await finding, []);
  assert.is(await firstByte(image, 0), 7);
  assert.equal(await store.file.findSpoilt(0, 4), [2]);
});

test('after a kill a sector that cannot be read keeps its version, and is asked of others', async () => {
  const { disk, image } = await unreadable();
  await image.write(3 * BLOCK_BYTES, block(6), false);
  const store = await reopen(disk);
  assert.is(store.table.nextMissing(0, 4, 4)?.first, 2);
  assert.is(await firstByte(imageOf(store), 3), 6);
});

/** The image after a kill of the daemon, or after a power cut. */
const again = ({ disk }: SmallImage, how: 'kill' | 'cut'): ReturnType<typeof reopen> =>
  reopen(how === 'kill' ? disk : disk.afterCut({ kind: 'keep-all' }));

for (const how of ['kill', 'cut'] as const) {
  test(`rot that was found is no write, also when its neighbour is written before a ${how}`, async () => {
    for (const isActive of [true, false]) {
      const small = await rottenAt(2);
      if (!isActive) await small.store.commit({ clean: true });
      assert.equal(await small.store.file.findSpoilt(0, 4), [2]);
      await small.image.write(0, block(7), true);
      await settle();
      const store = await again(small, how);
      assert.is(store.table.nextMissing(0, 4, 4)?.first, 2, `it has the version that it had; active: ${isActive}`);
      assert.is(await firstByte(imageOf(store), 0), 7);
    }
  });

  test(`a sector that could not be read for a while is lost to no write beside it, before a ${how}`, async () => {
    const small = await unreadable();
    await small.store.commit({ clean: true });
    assert.equal(await small.store.file.findSpoilt(0, 4), [2]);
    await small.image.write(0, block(7), true);
    small.disk.badPages.wrote(2 * BLOCK_BYTES, BLOCK_BYTES);
    const store = await again(small, how);
    assert.is(await firstByte(imageOf(store), 2), 9);
  });
}

test('a sector that could not be read for a while is lost to no checkpoint', async () => {
  const { disk, image } = await unreadable();
  await image.end();
  const store = await reopen(disk, 0);
  assert.equal(await store.file.findSpoilt(0, 4), [2]);
  disk.badPages.wrote(2 * BLOCK_BYTES, BLOCK_BYTES);
  await store.commit({});
  await store.close();
  assert.is((await reopen(disk)).table.countHeld(0, 4), 4);
});

test('a fault that has passed is over as soon as its extent is written', async () => {
  const small = await unreadable();
  await small.store.commit({ clean: true });
  assert.equal(await small.store.file.findSpoilt(0, 4), [2]);
  small.disk.badPages.wrote(2 * BLOCK_BYTES, BLOCK_BYTES);
  await small.image.write(0, block(7), true);
  assert.is(await firstByte(small.image, 2), 9);
  assert.equal(small.source.asked, []);
});

test('rot is told to the disk also when the first telling found no room', async () => {
  const small = await rottenAt(2);
  await small.store.commit({ clean: true });
  assert.equal(await small.store.file.findSpoilt(0, 4), [2]);
  small.disk.isFull = true;
  const refused = await Promise.resolve(small.image.write(0, block(7), true)).catch((error: unknown) => error);
  assert.match(String(refused), 'no room');
  small.disk.isFull = false;
  await small.image.write(0, block(7), true);
  const store = await again(small, 'kill');
  assert.is(store.table.nextMissing(0, 4, 4)?.first, 2);
});

test('any other error of the disk stays what it is', async () => {
  const { image, disk } = await smallImage();
  await image.write(0, block(9), true);
  disk.badPages.read = () => {
    throw Object.assign(new Error('ENXIO'), { code: 'ENXIO' });
  };
  assert.throws(() => image.tryRead(0, Buffer.alloc(BLOCK_BYTES)), 'ENXIO');
});

test.run();
