// The real disk: what is written is read, room is taken and given back, names change whole.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type DiskFile, realDisk } from '../../../common/disk/disk.ts';
import { dropCached } from '../../../common/disk/page-cache.ts';
import { onDisk } from '../../scratch.ts';
import { failure } from './members.ts';

const BLOCK = 4096;
const MIB = 1024 * 1024;

async function withDirectory(body: (directory: string) => Promise<void>, parent = tmpdir()): Promise<void> {
  const directory = await mkdtemp(join(parent, 'disk-'));
  try {
    await body(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('bytes written by either way are read by either way; a read past the end is short', () =>
  withDirectory(async (directory) => {
    const file = await realDisk.open(join(directory, 'a'), 'write');
    await file.write(Buffer.from('hello'), 10);
    file.writeSync(Buffer.from('world'), 15);
    await file.datasync();
    const buffer = new Uint8Array(20);
    assert.is(await file.read(buffer, 5), 15);
    assert.is(Buffer.from(buffer.subarray(5, 15)).toString(), 'helloworld');
    assert.is(file.readSync(buffer, 16), 4);
    assert.is(file.readSync(buffer, 100), 0);
    assert.is(await file.size(), 20);
    await file.truncate(12);
    assert.is(await file.size(), 12);
    await file.close();
  }));

test('a large write is whole, wherever it begins', () =>
  withDirectory(async (directory) => {
    const file = await realDisk.open(join(directory, 'a'), 'write');
    const bytes = Buffer.alloc(300_001, 1).map((_, index) => index % 251);
    file.writeSync(bytes, 777);
    const back = Buffer.alloc(bytes.length + 777);
    assert.is(file.readSync(back, 0), back.length);
    assert.ok(back.subarray(777).equals(Buffer.from(bytes)));
    await file.close();
  }));

test('opening: missing files, existing files, and files of others', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'a');
    assert.is((await failure(realDisk.open(path, 'read'))).code, 'ENOENT');
    await (await realDisk.open(path, 'create')).close();
    assert.is((await failure(realDisk.open(path, 'create'))).code, 'EEXIST');
    const again = await realDisk.open(path, 'write');
    await again.write(Buffer.from('x'), 0);
    await again.close();
    const reader = await realDisk.open(path, 'read');
    assert.is((await failure(reader.write(Buffer.from('y'), 0))).code, 'EBADF');
    await reader.close();
    assert.is((await stat(path)).mode & 0o777, 0o600);
  }));

test('allocated room is on the disk, a punched hole is not and reads as zeros', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'image');
    const file = await realDisk.open(path, 'write');
    await file.allocate(0, 4 * MIB);
    assert.is(await file.size(), 4 * MIB);
    assert.ok((await stat(path)).blocks * 512 >= 4 * MIB);
    await file.write(Buffer.alloc(2 * BLOCK, 1), MIB);
    await file.punch(0, 2 * MIB);
    assert.is(await file.size(), 4 * MIB);
    assert.ok((await stat(path)).blocks * 512 <= 2 * MIB + 64 * 1024);
    const buffer = Buffer.alloc(2 * BLOCK, 7);
    await file.read(buffer, MIB);
    assert.ok(buffer.every((byte) => byte === 0));
    await file.close();
  }));

test('room that the disk has not is ENOSPC at once', () =>
  withDirectory(async (directory) => {
    const file = await realDisk.open(join(directory, 'image'), 'write');
    const error = await failure(file.allocate(0, 2 ** 44));
    assert.ok(['ENOSPC', 'EFBIG'].includes(error.code), error.code);
    assert.match(error.message, 'allocate 17592186044416 bytes at offset 0');
    await file.close();
    assert.is((await failure(file.allocate(0, 1))).code, 'EBADF');
  }));

test('a file is replaced whole, with the mode that was asked for', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'cert.pem');
    await realDisk.replace(path, Buffer.from('old'), 0o644);
    await realDisk.replace(path, Buffer.from('new'), 0o600);
    assert.is(Buffer.from(await realDisk.readWhole(path)).toString(), 'new');
    assert.is((await stat(path)).mode & 0o777, 0o600);
    assert.equal(await realDisk.list(directory), ['cert.pem']);
  }));

test('of a file that cannot be replaced nothing is left beside it', () =>
  withDirectory(async (directory) => {
    const path = join(directory, 'taken');
    await realDisk.makeDirectory(path);
    assert.is((await failure(realDisk.replace(path, Buffer.from('new')))).code, 'EISDIR');
    assert.equal(await realDisk.list(directory), ['taken']);
  }));

test('directories are made, names are moved and removed', () =>
  withDirectory(async (directory) => {
    const deep = join(directory, 'a', 'b');
    await realDisk.makeDirectory(deep);
    await realDisk.makeDirectory(deep);
    await realDisk.replace(join(deep, 'x'), Buffer.from('1'));
    await realDisk.rename(join(deep, 'x'), join(deep, 'y'));
    await realDisk.syncDirectory(deep);
    assert.equal(await realDisk.list(deep), ['y']);
    await realDisk.remove(join(deep, 'y'));
    await realDisk.remove(join(deep, 'y'));
    assert.equal(await realDisk.list(deep), []);
    assert.is((await stat(deep)).mode & 0o777, 0o700);
  }));

/** A file of which nothing is in the page cache. */
async function coldFile(directory: string, bytes: number): Promise<DiskFile> {
  const path = join(directory, 'image');
  const file = await realDisk.open(path, 'write');
  await file.write(Buffer.alloc(bytes, 7), 0);
  await file.datasync();
  await dropCached(path);
  return file;
}

test('a read that may not wait has what is in the page cache, and nothing of what is not', () =>
  withDirectory(async (directory) => {
    const bytes = 32 * MIB;
    const file = await coldFile(directory, bytes);
    const buffer = Buffer.alloc(MIB);
    assert.is(file.tryReadSync(buffer, MIB), undefined);
    await file.warm(MIB, MIB);
    assert.is(file.tryReadSync(buffer, MIB), MIB);
    assert.ok(buffer.equals(Buffer.alloc(MIB, 7)));
    // Only the beginning is there; but a read makes the kernel read ahead, and a fast disk may be there first.
    const rest = Buffer.alloc(bytes - MIB);
    const had = file.tryReadSync(rest, MIB);
    assert.ok(had === undefined || (had === rest.length && rest.every((byte) => byte === 7)));
    await file.warm(bytes - MIB, 10 * MIB);
    assert.is(file.tryReadSync(buffer, bytes - BLOCK), BLOCK, 'short at the end of the file');
    assert.is(file.tryReadSync(buffer, bytes), 0);
    await file.close();
    const isClosed = (error: { code: string }): boolean => error.code === 'EBADF';
    assert.throws(() => file.tryReadSync(buffer, 0), isClosed);
  }, onDisk()));

test('a file closes after the reads of it that have begun; none of the others reads anything else', () =>
  withDirectory(async (directory) => {
    const file = await coldFile(directory, 4 * MIB);
    const reads = Array.from({ length: 64 }, (_, index) => file.warm(index * BLOCK * 16, BLOCK));
    const closed = file.close();
    const outcomes = await Promise.allSettled(reads);
    await closed;
    const codes = outcomes.map((one) => (one.status === 'rejected' ? one.reason.code : ''));
    assert.is(codes[0], '');
    assert.ok(
      codes.every((code) => code === '' || code === 'EBADF'),
      codes.join(' '),
    );
  }, onDisk()));

test.run();
