import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/block-version.ts';
import { createImage, openImage } from '../../../blockd/image-files.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { isSettled, settle } from './manual-clock.ts';
import { firstByte, smallImage } from './small-image.ts';

const MIGRATION = '00000000000000aa';
const block = (fill: number, blocks = 1): Buffer => Buffer.alloc(blocks * BLOCK_BYTES, fill);

test('a read of local and zero blocks is answered at once, in parts', async () => {
  const { image } = await smallImage();
  await image.write(0, block(1, 3), false);
  await image.trim(BLOCK_BYTES, BLOCK_BYTES, false);
  const into = Buffer.alloc(3 * BLOCK_BYTES);
  assert.ok(image.tryRead(100, into));
  assert.equal([into[0], into[BLOCK_BYTES], into[2 * BLOCK_BYTES], into[3 * BLOCK_BYTES - 50]], [1, 0, 1, 0]);
});

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
  source.deny('b');
  await assertCode(reading, 'BLOCKS_LOST');
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

test('a frozen image queues changes and answers reads and flushes (B2)', async () => {
  const { image } = await smallImage();
  await image.write(0, block(1), false);
  const closing = await image.freeze(MIGRATION);
  const writing = image.write(0, block(2), true);
  const trimming = image.trim(0, BLOCK_BYTES, false);
  if (writing === undefined || trimming === undefined) throw new Error('a change went through');
  assert.is(await firstByte(image, 0), 1);
  assert.is(image.flush(), undefined);
  assert.not(await isSettled(writing));
  assert.equal(await image.freeze(MIGRATION), closing, 'again the same');
  assert.equal(image.closing().digest, closing.digest, 'the table stands still');
  await image.thaw();
  await Promise.all([writing, trimming]);
  assert.is.not(image.closing().digest, closing.digest);
});

test('after the release what waits fails, and the table is the closing', async () => {
  const { image, store } = await smallImage();
  const closing = await image.freeze(MIGRATION);
  const writing = image.write(0, block(2), false);
  if (writing === undefined) throw new Error('a change went through');
  assert.equal(await image.end(), closing);
  await assertCode(writing, 'EXPORT_ENDED');
  assert.is(store.state.role, 'replica');
  assert.equal(store.state.ends.at(-1), { epoch: 2, lastSequence: closing.lastSequence });
});

test('a stand-by lets everything wait until it is the writer', async () => {
  const { image } = await smallImage();
  const closing = await image.end();
  await image.standBy(3, MIGRATION, { node: 'b', address: '127.0.0.2' });
  const reading = image.readLater(0, 10);
  const writing = image.write(0, block(2), false);
  const flushing = image.flush();
  for (const waiting of [reading, writing, flushing]) assert.not(await isSettled(waiting ?? Promise.resolve()));
  await image.open(3, closing, MIGRATION);
  await Promise.all([reading, writing, flushing]);
  assert.is(await firstByte(image, 0), 2);
});

test('after a crash the writer goes on with numbers beyond its reservation (A1)', async () => {
  const { image, disk, store } = await smallImage();
  await image.write(0, block(1), true);
  const before = store.table.lastSequence;
  const again = await openImage(disk.afterCut({ kind: 'keep-all' }), '/images', 'web');
  assert.ok((again?.takeSequence() ?? 0) >= before + 2 ** 19);
});

test('a failed sync is final (S2)', async () => {
  const disk = new CrashDisk();
  let isBroken = false;
  const open = disk.open.bind(disk);
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    return { ...file, datasync: () => (isBroken ? Promise.reject(new Error('EIO')) : file.datasync()) };
  };
  const { image } = await smallImage([], disk);
  await image.write(0, block(1), true);
  isBroken = true;
  await assertCode(image.write(0, block(2), true) ?? Promise.resolve(), 'STORE_FAILED');
  isBroken = false;
  assert.throws(() => image.flush(), /cannot be made durable/);
  assert.throws(() => image.write(0, block(3), false), /cannot be made durable/);
  assert.throws(() => image.tryRead(0, block(0)), /cannot be made durable/);
});

test('a write into a hole that is being punched waits for it', async () => {
  const disk = new CrashDisk();
  const open = disk.open.bind(disk);
  const punch = Promise.withResolvers<void>();
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    const slowly = async (offset: number, bytes: number): Promise<void> => {
      await punch.promise;
      await file.punch(offset, bytes);
    };
    return { ...file, punch: slowly };
  };
  const { image } = await smallImage([], disk);
  await image.write(0, block(1, 2), true);
  await image.trim(0, BLOCK_BYTES, true);
  const writing = image.write(0, block(2), false);
  if (writing === undefined) throw new Error('it did not wait');
  assert.is(image.write(BLOCK_BYTES, block(3), false), undefined, 'its neighbour does not wait');
  assert.not(await isSettled(writing));
  punch.resolve();
  await writing;
  assert.is(await firstByte(image, 0), 2);
});

test('a checkpoint has the table of its barrier, not what was written meanwhile', async () => {
  const disk = new CrashDisk();
  const fresh = await createImage(disk, '/images', { image: 'web', bytes: 16 * BLOCK_BYTES, isOrigin: true });
  await fresh.close();
  const store = await openImage(disk, '/images', 'web', { checkpointBytes: 0 });
  if (store === undefined) throw new Error('no image');
  store.table.write(0, 1, { epoch: 1, sequence: 1 }, true);
  const replace = disk.replace.bind(disk);
  disk.replace = (path, bytes) => {
    store.table.write(1, 2, { epoch: 1, sequence: 2 }, true);
    return replace(path, bytes);
  };
  await store.flush();
  const again = await openImage(disk.afterCut({ kind: 'lose-all' }), '/images', 'web');
  assert.is(again?.table.mark.entries, 1);
});

test('while somebody follows, what is written is told within a second (A2)', async () => {
  const { image, store, clock } = await smallImage();
  const told: number[] = [];
  store.follow({ whole: (_runs, mark) => told.push(mark.entries), changes: (_runs, mark) => told.push(mark.entries) });
  await settle();
  await image.write(0, block(1), false);
  assert.equal(told, [0]);
  await clock.advance(1_000);
  assert.equal(told, [0, 1]);
});

async function assertCode(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.is(error instanceof Error && 'code' in error ? error.code : undefined, code);
}

test.run();
