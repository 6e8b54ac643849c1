import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES, SEQUENCE_MAX } from '../../../blockd/table/block-version.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { learn } from './learnt.ts';
import { isSettled, settle } from './manual-clock.ts';
import { firstByte, imageOf, reopen, smallImage } from './small-image.ts';

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
  const again = await reopen(disk.afterCut({ kind: 'keep-all' }));
  assert.ok((again.takeSequence() ?? 0) >= before + 2 ** 19);
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

test('after a failed sync and a restart on the same kernel nothing reads as what the disk never got (S1, S3)', async () => {
  const { image, disk } = await smallImage();
  await image.write(0, block(1), true);
  await image.write(0, block(2), false);
  disk.failsSync = (path) => path.endsWith('.data');
  await assertCode(image.flush() ?? Promise.resolve(), 'STORE_FAILED');
  disk.failsSync = () => false;
  const store = await reopen(disk);
  assert.is(await firstByte(imageOf(store), 0), 1);
  const again = await reopen(disk.afterCut({ kind: 'lose-all' }));
  assert.equal(again.table.mark.digest, store.table.mark.digest);
  assert.is(await firstByte(imageOf(again), 0), 1);
});

test('what a sync of the journal lost does not count after a restart on the same kernel', async () => {
  const { image, disk } = await smallImage();
  await image.trim(0, BLOCK_BYTES, true);
  disk.failsSync = (path) => path.includes('.journal');
  await assertCode(image.freeze(MIGRATION), 'STORE_FAILED');
  disk.failsSync = () => false;
  assert.is((await reopen(disk)).state.role, 'writer');
});

test('what a killed daemon had appended is durable before it counts', async () => {
  const disk = new CrashDisk();
  const open = disk.open.bind(disk);
  let isKilled = false;
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    return { ...file, datasync: () => (isKilled ? new Promise<void>(() => undefined) : file.datasync()) };
  };
  const { image } = await smallImage([], disk);
  isKilled = true;
  assert.not(await isSettled(image.freeze(MIGRATION)));
  disk.open = open;
  assert.is((await reopen(disk)).state.role, 'frozen');
  assert.is((await reopen(disk.afterCut({ kind: 'lose-all' }))).state.role, 'frozen');
});

test('a full disk is ENOSPC at the flush, loses nothing and heals (S9)', async () => {
  const { image, disk, store } = await smallImage();
  await image.write(0, block(1), true);
  await image.write(0, block(2), false);
  await image.write(0, block(2), false);
  disk.isFull = true;
  await assertCode(image.trim(BLOCK_BYTES, BLOCK_BYTES, false) ?? Promise.resolve(), 'ENOSPC');
  await assertCode(image.flush() ?? Promise.resolve(), 'ENOSPC');
  assert.is(await firstByte(image, 0), 2, 'reads go on');
  assert.ok(store.table.isChanged(0), 'nobody is told what is not durable');
  disk.isFull = false;
  await image.flush();
  assert.not(store.table.isChanged(0));
  assert.is(await firstByte(imageOf(await reopen(disk.afterCut({ kind: 'lose-all' }))), 0), 2);
});

test('a write that finds no room for its mark is ENOSPC, and goes through later', async () => {
  const { image, disk } = await smallImage();
  disk.isFull = true;
  await assertCode(image.write(0, block(1), false) ?? Promise.resolve(), 'ENOSPC');
  disk.isFull = false;
  await image.write(0, block(2), true);
  assert.is(await firstByte(image, 0), 2);
});

test('a disk without room even for a hole is ENOSPC, for a first write and for a trim, and both go through later (S9)', async () => {
  const disk = new CrashDisk();
  const open = disk.open.bind(disk);
  let isFull = false;
  const full = (): Promise<never> => Promise.reject(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }));
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    return { ...file, punch: (offset, bytes) => (isFull ? full() : file.punch(offset, bytes)) };
  };
  const { image, store } = await smallImage([], disk);
  isFull = true;
  await assertCode(image.write(0, block(1), false) ?? Promise.resolve(), 'ENOSPC');
  isFull = false;
  await image.write(0, block(1), true);
  isFull = true;
  await assertCode(image.trim(0, BLOCK_BYTES, false) ?? Promise.resolve(), 'ENOSPC');
  assert.is(store.failure, undefined);
  isFull = false;
  await image.flush();
  assert.is(await firstByte(image, 0), 0);
});

test('a zero whose two edges fail, one at once and one later, says so, and no failure is left to nobody', async () => {
  const { image, source, disk } = await smallImage([1]);
  await image.write(4 * BLOCK_BYTES, block(1), true);
  disk.isFull = true;
  const zeroing = image.zero(BLOCK_BYTES + 100, 3 * BLOCK_BYTES, false);
  await settle();
  source.give(9);
  await assertCode(zeroing ?? Promise.resolve(), 'ENOSPC');
  // A rejection that nobody waits for would end this process by now.
  await new Promise(setImmediate);
});

test('a disk that is full only when it is synced has failed for good (S2)', async () => {
  const { image, disk } = await smallImage();
  await image.write(0, block(1), true);
  disk.failsSync = (path) => {
    if (path.endsWith('.data')) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    return false;
  };
  await assertCode(image.write(0, block(2), true) ?? Promise.resolve(), 'STORE_FAILED');
});

test('a freeze and an end that find no room leave the image writing', async () => {
  const { image, disk, store } = await smallImage();
  await image.write(0, block(1), true);
  disk.isFull = true;
  await assertCode(image.freeze(MIGRATION), 'ENOSPC');
  await assertCode(image.end(), 'ENOSPC');
  assert.is(store.state.role, 'writer');
  disk.isFull = false;
  assert.is(image.write(0, block(2), false), undefined);
  assert.is((await image.freeze(MIGRATION)).digest, image.closing().digest);
});

test('a follower is told once the full disk has room again', async () => {
  const { image, store, clock, disk } = await smallImage();
  const told: number[] = [];
  await image.write(0, block(1), false);
  disk.isFull = true;
  store.follow({ changes: (_runs, mark) => told.push(mark?.entries ?? -1) }).next();
  await settle();
  await assertCode(image.trim(0, BLOCK_BYTES, false) ?? Promise.resolve(), 'ENOSPC');
  await clock.advance(3_000);
  assert.equal(told, []);
  disk.isFull = false;
  await clock.advance(1_000);
  assert.equal(told, [1]);
});

test('the last of all numbers can be used, also after a restart', async () => {
  const { image, disk, store } = await smallImage();
  await image.abandon();
  store.table.lastSequence = SEQUENCE_MAX - 2;
  await image.open(3, image.closing(), null);
  assert.is(store.takeSequence(), SEQUENCE_MAX - 1);
  const again = await reopen(disk);
  assert.is(again.takeSequence(), undefined, 'all are reserved');
  assert.is(store.takeSequence(), SEQUENCE_MAX);
  await assertCode(image.write(0, block(1), false) ?? Promise.resolve(), 'SEQUENCE_END');
});

/** A disk on which room is given back only when the test says so. */
function slowPunching(): { disk: CrashDisk; punch: PromiseWithResolvers<void>; slow: { now: boolean } } {
  const disk = new CrashDisk();
  const open = disk.open.bind(disk);
  const punch = Promise.withResolvers<void>();
  const slow = { now: false };
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    const slowly = async (offset: number, bytes: number): Promise<void> => {
      if (slow.now) await punch.promise;
      await file.punch(offset, bytes);
    };
    return { ...file, punch: slowly };
  };
  return { disk, punch, slow };
}

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

test('a write into a hole that is being punched waits for it', async () => {
  const { disk, punch, slow } = slowPunching();
  const { image } = await smallImage([], disk);
  await image.write(0, block(1, 2), true);
  slow.now = true;
  const trimming = image.trim(0, BLOCK_BYTES, true);
  const writing = image.write(0, block(2), false);
  if (writing === undefined) throw new Error('it did not wait');
  assert.is(image.write(BLOCK_BYTES, block(3), false), undefined, 'its neighbour does not wait');
  assert.not(await isSettled(writing));
  punch.resolve();
  await Promise.all([trimming, writing]);
  assert.is(await firstByte(image, 0), 2);
});

test('while somebody follows, what is written is told within a second (A2)', async () => {
  const { image, store, clock } = await smallImage();
  const told: number[] = [];
  store.follow({ changes: (_runs, mark) => told.push(mark?.entries ?? -1) }).next();
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
