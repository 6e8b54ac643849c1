// Reads of files through the kernel's ring: what is in the page cache comes at once, the rest when the disk has read it.
// Where the kernel has no ring for us there is nothing to test.
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FileReads, NOT_AT_ONCE } from '../../../common/disk/file-reads.ts';
import { LaterReads } from '../../../common/disk/later-reads.ts';
import { dropCached } from '../../../common/disk/page-cache.ts';
import { ReadWindow } from '../../../common/disk/read-window.ts';
import { onDisk } from '../../scratch.ts';
import { until } from '../../until.ts';

const BLOCK = 4096;
const BLOCKS = 1024;
const EBADF = -9;

/** Each block is full of a number of its own. */
function content(block: number): Buffer {
  return Buffer.alloc(BLOCK, block % 251);
}

async function withFile(isCached: boolean, body: (reads: FileReads, fd: number) => Promise<void>): Promise<void> {
  const reads = FileReads.open();
  if (reads === undefined) return;
  const directory = await mkdtemp(join(onDisk(), 'file-reads-'));
  try {
    const path = join(directory, 'file');
    const file = await open(path, 'w+');
    await file.write(Buffer.concat(Array.from({ length: BLOCKS }, (_, block) => content(block))));
    await file.datasync();
    if (!isCached) await dropCached(path);
    await body(reads, file.fd);
    await file.close();
  } finally {
    await rm(directory, { recursive: true });
  }
}

const later = (reads: FileReads, fd: number, offset: number, into: Uint8Array): Promise<number> =>
  new Promise((resolve) => {
    reads.readLater(fd, offset, into, resolve);
    reads.begin('none');
  });

test('what is in the page cache is read in one run, each piece to its place', () =>
  withFile(true, async (reads, fd) => {
    for (let run = 0; run < 3; run++) {
      const into = Buffer.alloc(64 * BLOCK);
      const places: number[] = [];
      for (let at = 0; at < 64; at++) places.push(reads.add(fd, (at * 7 + run) * BLOCK, into, at * BLOCK, BLOCK));
      reads.run();
      for (const [at, place] of places.entries()) {
        assert.is(reads.outcome(place), BLOCK);
        assert.ok(into.subarray(at * BLOCK, (at + 1) * BLOCK).equals(content(at * 7 + run)), `piece ${at}`);
      }
    }
  }));

test('a ring is as large as it says, and is empty again after each run', () =>
  withFile(true, async (reads, fd) => {
    const into = Buffer.alloc(BLOCK);
    for (let run = 0; run < 3; run++) {
      let count = 0;
      for (; reads.hasRoom; count++) reads.add(fd, 0, into, 0, BLOCK);
      assert.is(count, 256);
      reads.run();
      for (let place = 0; place < count; place++) assert.is(reads.outcome(place), BLOCK);
    }
  }));

test('what is not in the page cache is not waited for; asked for later it comes, hundreds at a time', () =>
  withFile(false, async (reads, fd) => {
    const into = Buffer.alloc(BLOCK);
    const place = reads.add(fd, 100 * BLOCK, into, 0, BLOCK);
    reads.run();
    assert.is(reads.outcome(place), NOT_AT_ONCE);
    const blocks = Array.from({ length: 400 }, (_, index) => (index * 37) % BLOCKS);
    const rooms = blocks.map(() => Buffer.alloc(BLOCK));
    const asked = blocks.map((block, index) => later(reads, fd, block * BLOCK, rooms[index] ?? into));
    const again = reads.add(fd, 100 * BLOCK, into, 0, BLOCK);
    reads.run();
    assert.ok([BLOCK, NOT_AT_ONCE].includes(reads.outcome(again)), 'a run meanwhile is told of its own reads only');
    assert.equal(new Set(await Promise.all(asked)), new Set([BLOCK]));
    for (const [index, block] of blocks.entries()) assert.ok(rooms[index]?.equals(content(block)), `block ${block}`);
  }));

test('who is told that some of it was in the page cache can have it at once', () =>
  withFile(true, async (reads, fd) => {
    const into = Buffer.alloc(BLOCK);
    const outcomes: number[] = [];
    reads.readLater(fd, 5 * BLOCK, into, (outcome) => outcomes.push(outcome));
    assert.is(reads.begin('none'), true);
    assert.equal(outcomes, [], 'not in the middle of a step');
    assert.is(reads.land(), 1);
    assert.equal(outcomes, [BLOCK]);
    assert.ok(into.equals(content(5)));
    assert.is(reads.land(), 0);
  }));

test('while others wait for a processor too, small reads are left to nobody else', () =>
  withFile(true, async (reads, fd) => {
    for (let round = 0; round < 20; round++) {
      const outcomes: number[] = [];
      const rooms = Array.from({ length: 10 }, () => Buffer.alloc(BLOCK));
      for (const [block, room] of rooms.entries())
        reads.readLater(fd, block * BLOCK, room, (one) => outcomes.push(one));
      assert.is(reads.begin('some'), true);
      assert.is(reads.land(), rooms.length, 'all were in the page cache');
      assert.equal(new Set(outcomes), new Set([BLOCK]));
    }
  }));

test('beside who waits for nothing but the thread as many are under way as it has time for, and all come in the end', () =>
  withFile(true, async (_, fd) => {
    const reads = LaterReads.open(NOT_AT_ONCE, new ReadWindow(4, () => 1));
    if (reads === undefined) return;
    const landed: number[] = [];
    const rooms = Array.from({ length: 10 }, () => Buffer.alloc(BLOCK));
    for (const [block, room] of rooms.entries()) reads.add(fd, block * BLOCK, room, () => landed.push(block));
    reads.begin('quick');
    for (let count = 1; count <= rooms.length; count++) {
      assert.is(reads.land(), 1);
      assert.is(landed.length, count);
    }
    for (const [block, room] of rooms.entries()) assert.ok(room.equals(content(block)), `block ${block}`);
    for (const [block, room] of rooms.entries()) reads.add(fd, block * BLOCK, room, () => landed.push(block));
    reads.begin('some');
    assert.is(reads.land(), rooms.length, 'who waits for the disk too has nothing of it');
  }));

test('a large read is done beside this thread, small ones around it too, and each comes whole to its place', () =>
  withFile(true, async (reads, fd) => {
    const large = Buffer.alloc(BLOCKS * BLOCK);
    const outcomes: number[] = [];
    reads.readLater(fd, 0, large, (outcome) => outcomes.push(outcome));
    assert.is(reads.begin('none'), false, 'nobody knows whether the page cache had it');
    const rooms = Array.from({ length: 40 }, () => Buffer.alloc(BLOCK));
    const small = await Promise.all(rooms.map((room, block) => later(reads, fd, block * BLOCK, room)));
    assert.equal(new Set(small), new Set([BLOCK]));
    for (const [block, room] of rooms.entries()) assert.ok(room.equals(content(block)), `block ${block}`);
    const again = Buffer.alloc(large.length);
    assert.is(await later(reads, fd, 0, again), again.length);
    await until('the large read has come', async () => outcomes.length > 0);
    assert.equal(outcomes, [large.length]);
    for (let block = 0; block < BLOCKS; block++) {
      assert.ok(large.subarray(block * BLOCK, (block + 1) * BLOCK).equals(content(block)), `block ${block}`);
    }
    assert.ok(again.equals(large));
  }));

test('a read ends with the file, and fails without one', () =>
  withFile(true, async (reads, fd) => {
    const into = Buffer.alloc(2 * BLOCK);
    const last = (BLOCKS - 1) * BLOCK;
    const place = reads.add(fd, last, into, 0, 2 * BLOCK);
    const closed = reads.add(-1, 0, into, 0, BLOCK);
    reads.run();
    assert.is(reads.outcome(place), BLOCK);
    assert.is(reads.outcome(closed), EBADF);
    assert.is(await later(reads, fd, last, into), BLOCK);
    assert.is(await later(reads, -1, 0, into), EBADF);
    assert.is(await later(reads, fd, BLOCKS * BLOCK, into), 0);
  }));

test.run();
