// An image's store on a file system that is full at each thing that needs room: a mark, a write, a record, a checkpoint.
// Nothing that was acknowledged is lost, also over a kill, and everything goes through once there is room.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Image } from '../../blockd/image/image.ts';
import { EXTENT_BLOCKS } from '../../blockd/store/active-extents.ts';
import { createLayer, openLayer } from '../../blockd/store/image-files.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { realDisk } from '../../common/disk/disk.ts';
import { codeOf } from '../../common/errors.ts';
import { firstByte, imageOf, LAYER } from '../unit/blockd/small-image.ts';
import { type MortalDisk, mortalDisk } from '../unit/common/mortal-disk.ts';

const MIB = 2 ** 20;
const DISK_BYTES = 16 * MIB;
const EXTENT_BYTES = EXTENT_BLOCKS * BLOCK_BYTES;
/** So many marks take more than the journal's last page has room for. */
const EXTENTS = 1024;
const BYTES = EXTENTS * EXTENT_BYTES;
/** More than some records, less than a table of one chunk. */
const LITTLE_BYTES = 256 * 1024;
const TRIES_MAX = 2_000;
const run = promisify(execFile);

let root: string;
let image: Image;
/** Of the process that has the image now. */
let mortal: MortalDisk;
/** What was acknowledged, by block. */
const acknowledged = new Map<number, number>();

async function start(checkpointBytes: number): Promise<void> {
  mortal = mortalDisk();
  const store = await openLayer(mortal.disk, root, LAYER, { checkpointBytes });
  if (store === undefined) throw new Error('the image is gone');
  image = imageOf(store);
}

test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'full-store-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'supercloud-test', root]);
  const fresh = imageOf(
    await createLayer(realDisk, root, { image: 'web', layer: LAYER, bytes: BYTES, isOrigin: true }),
  );
  await fresh.open(1, fresh.closing(), null);
  await fresh.store.close();
  await start(Number.MAX_SAFE_INTEGER);
});

test.after(async () => {
  await image.store.close().catch(() => undefined);
  await run('umount', ['-l', root]);
  await rm(root, { recursive: true });
});

/** Takes all the room but so much. */
async function fill(leftBytes = 0): Promise<void> {
  const { bavail, bsize } = await statfs(root);
  await writeFile(join(root, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - leftBytes)));
}

const makeRoom = (): Promise<void> => rm(join(root, 'filler'));

/** Writes a block durably, and notes it. */
async function write(block: number, mark: number): Promise<void> {
  await image.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, mark), true);
  acknowledged.set(block, mark);
}

/** Does it again and again until there is no room; answers how often it went through. */
async function untilFull(once: (turn: number) => Promise<void>): Promise<number> {
  for (let turn = 0; turn < TRIES_MAX; turn++) {
    const error = await once(turn).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) continue;
    assert.is(codeOf(error), 'ENOSPC');
    return turn;
  }
  throw new Error('the disk never was full');
}

async function assertIntact(): Promise<void> {
  for (const [block, mark] of acknowledged) assert.is(await firstByte(image, block), mark, `block ${block}`);
}

/** The process is killed and another one starts. */
async function restart(checkpointBytes: number): Promise<void> {
  await mortal.kill();
  await start(checkpointBytes);
  await assertIntact();
}

const extent = (number: number): number => number * EXTENT_BLOCKS;

test('marks without room are ENOSPC and let nothing be written, and are made once there is room', async () => {
  await write(0, 1);
  await fill();
  const made = await untilFull((turn) => image.store.activate(extent(turn), extent(turn) + 1));
  assert.not(image.store.active.touch(extent(made), extent(made) + 1));
  assert.is(image.store.failure, undefined);
  await assertIntact();
  await makeRoom();
  await write(extent(made), 2);
  await write(extent(EXTENTS - 1), 3);
  await restart(Number.MAX_SAFE_INTEGER);
});

test('records without room are ENOSPC, and what was written is durable once something gives room back', async () => {
  await write(1, 4);
  await write(2, 5);
  await fill();
  const flushed = await untilFull((turn) => write(1, 6 + (turn % 2)));
  assert.is(codeOf(await image.flush()?.catch((error: unknown) => error)), 'ENOSPC');
  assert.is(image.store.failure, undefined);
  // Zeroed blocks give their room back before the record that says so, which then finds it.
  await image.trim(2 * BLOCK_BYTES, BLOCK_BYTES, false);
  acknowledged.set(1, 6 + (flushed % 2));
  acknowledged.set(2, 0);
  await assertIntact();
  await makeRoom();
  await restart(0);
});

test('a checkpoint without room leaves the flush as it is, takes none, and is made once there is room', async () => {
  const tables = async (): Promise<string> =>
    (await realDisk.list(root)).filter((name) => name.includes('table')).join();
  const before = await tables();
  await fill(LITTLE_BYTES);
  for (let mark = 10; mark < 30; mark++) await write(3 + (mark % 3), mark);
  await image.store.close();
  assert.is(await tables(), before);
  await restart(0);
  await makeRoom();
  for (let mark = 30; mark < 200 && (await tables()) === before; mark++) await write(3, mark);
  assert.is.not(await tables(), before);
  await restart(0);
  await write(4, 201);
});

test.run();
