// What preparation leaves in its cache: whole or not at all; and disk images that are filled where they should be.
import { mkdir, mkdtemp, open, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tryLock } from '../../../common/disk/state-lock.ts';
import { cachedFolder } from '../../../lab/guest/cache.ts';
import { createDiskImage, WRITER_REGION_BYTES } from '../../../lab/guest/disk-image.ts';

const MEBIBYTE = 1024 * 1024;
let folder: string;

test.before.each(async () => {
  folder = await mkdtemp(join(tmpdir(), 'guest-cache-'));
});

test.after.each(async () => {
  await rm(folder, { recursive: true });
});

test('a folder is made once', async () => {
  let made = 0;
  const make = async (at: string) => await writeFile(join(at, 'file'), String(++made));
  assert.is(await cachedFolder(folder, 'thing', make), join(folder, 'thing'));
  await cachedFolder(folder, 'thing', make);
  assert.is(made, 1);
  assert.equal(await readdir(folder), ['thing']);
});

test('a failed making leaves nothing, and can be repeated', async () => {
  const failing = async (at: string) => {
    await writeFile(join(at, 'half'), 'half');
    throw new Error('no network');
  };
  const outcome = await cachedFolder(folder, 'thing', failing).then(String, (error: Error) => error.message);
  assert.is(outcome, 'no network');
  assert.equal(await readdir(folder), []);
});

test('what a killed process was making is removed, what a living one makes is not', async () => {
  const [left, making, begun] = ['.making-thing-abc123', '.making-other-abc123', '.making-third-abc123'];
  const long = new Date(Date.now() - 60_000);
  for (const name of [left, making, begun]) await mkdir(join(folder, name));
  for (const name of [left, making]) await utimes(join(folder, name), long, long);
  const release = tryLock(join(folder, making));
  await cachedFolder(folder, 'thing', async () => undefined);
  assert.equal(await readdir(folder), [making, begun, 'thing']);
  release?.();
});

test('two that make the same at once both get it', async () => {
  const make = async (at: string) => await writeFile(join(at, 'file'), 'x');
  const paths = await Promise.all([cachedFolder(folder, 'thing', make), cachedFolder(folder, 'thing', make)]);
  assert.equal(paths, [join(folder, 'thing'), join(folder, 'thing')]);
  assert.equal(await readdir(folder), ['thing']);
});

test('an empty image is all holes', async () => {
  await createDiskImage(join(folder, 'disk'), 64 * MEBIBYTE, 'zero');
  const { size, blocks } = await stat(join(folder, 'disk'));
  assert.is(size, 64 * MEBIBYTE);
  assert.ok(blocks * 512 < MEBIBYTE);
});

test('a random image leaves the region of the load empty and fills the rest to its end', async () => {
  const diskBytes = WRITER_REGION_BYTES + 3 * MEBIBYTE;
  await createDiskImage(join(folder, 'disk'), diskBytes, 'random');
  const file = await open(join(folder, 'disk'));
  const bytes = await file.readFile();
  await file.close();
  const empty = Buffer.alloc(4096);
  const pages = Array.from({ length: diskBytes / 4096 }, (_, page) => bytes.subarray(page * 4096, (page + 1) * 4096));
  const filled = pages.map((page) => !page.equals(empty));
  assert.is(filled.indexOf(true), WRITER_REGION_BYTES / 4096);
  assert.is(filled.lastIndexOf(false), WRITER_REGION_BYTES / 4096 - 1);
  assert.is(new Set(pages.slice(WRITER_REGION_BYTES / 4096).map((page) => page.toString('latin1'))).size, 768);
});

test.run();
