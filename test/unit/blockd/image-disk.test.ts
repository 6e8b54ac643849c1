// An image on a disk that is full, that fails, or whose daemon is killed.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import type { DiskFile } from '../../../common/disk/disk.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { isSettled, settle } from './manual-clock.ts';
import { firstByte, imageOf, reopen, smallImage } from './small-image.ts';

const MIGRATION = '00000000000000aa';
const block = (fill: number, blocks = 1): Buffer => Buffer.alloc(blocks * BLOCK_BYTES, fill);

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
  let lacks: 'ENOSPC' | 'EDQUOT' | undefined;
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    const punch: DiskFile['punch'] = async (offset, bytes) => {
      if (lacks !== undefined) throw Object.assign(new Error(lacks), { code: lacks });
      return file.punch(offset, bytes);
    };
    return { ...file, punch };
  };
  const { image, store } = await smallImage([], disk);
  lacks = 'ENOSPC';
  await assertCode(image.write(0, block(1), false) ?? Promise.resolve(), 'ENOSPC');
  lacks = undefined;
  await image.write(0, block(1), true);
  lacks = 'EDQUOT';
  await assertCode(image.trim(0, BLOCK_BYTES, false) ?? Promise.resolve(), 'ENOSPC');
  assert.is(store.failure, undefined);
  lacks = undefined;
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

async function assertCode(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.is(error instanceof Error && 'code' in error ? error.code : undefined, code);
}

test.run();
