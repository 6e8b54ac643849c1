// What a conversion does before any program runs: names of sockets, files that are none, and the room that guests keep.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Converter } from '../../../blockd/convert/converter.ts';
import { importImage } from '../../../blockd/image/image-import.ts';
import { StillImage } from '../../../blockd/image/still-image.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { realDisk } from '../../../common/disk/disk.ts';
import { refusal } from '../../refusal.ts';

const MIB = 2 ** 20;
const LAYER = 'l00000000000000aa';

const test = suite<{ directory: string; served: string[] }>('converter');
test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'converter-'));
  context.served = [];
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true }));

function converter(served: string[], freeBytes = 1e12): Converter {
  return new Converter({
    disk: realDisk,
    room: async () => ({ freeBytes, totalBytes: 1e12 }),
    serve: async (_device, name) => {
      served.push(name);
      throw new Error('nobody comes');
    },
  });
}

function signal(): AbortSignal {
  return new AbortController().signal;
}

test('two states of one image that go out at once are not on one socket', async ({ directory, served }) => {
  const both = converter(served);
  const state = new StillImage({ image: 'web', bytes: BLOCK_BYTES, layers: [] }, { find: () => undefined });
  const to = (name: string) => ({ path: join(directory, name), progress: () => undefined, signal: signal() });
  await Promise.allSettled([both.take(state, 'raw', to('one')), both.take(state, 'raw', to('other'))]);
  assert.is(served.length, 2);
  assert.is(new Set(served).size, 2);
});

test('a pipe and a directory are refused, and nobody waits for them', async ({ directory, served }) => {
  const pipe = join(directory, 'pipe');
  execFileSync('sh', ['-c', 'mkfifo pipe'], { cwd: directory });
  for (const path of [pipe, directory]) {
    const error = await refusal(converter(served).open(path));
    assert.is(error.code, 'IMAGE_REFUSED');
    assert.match(error.message, 'no plain file');
  }
});

test('a pipe where an export is to go is a file that is there, and nobody waits for it', async ({
  directory,
  served,
}) => {
  execFileSync('sh', ['-c', 'mkfifo pipe'], { cwd: directory });
  const state = new StillImage({ image: 'web', bytes: BLOCK_BYTES, layers: [] }, { find: () => undefined });
  const out = { path: join(directory, 'pipe'), progress: () => undefined, signal: signal() };
  assert.is((await refusal(converter(served).take(state, 'raw', out))).code, 'FILE_EXISTS');
});

test('a file that is not there, and one in no directory, are said in a sentence', async ({ directory, served }) => {
  const state = new StillImage({ image: 'web', bytes: BLOCK_BYTES, layers: [] }, { find: () => undefined });
  const file = join(directory, 'file');
  writeFileSync(file, 'text');
  for (const path of [join(directory, 'gone', 'disk.raw'), join(file, 'disk.raw')]) {
    const unread = await refusal(converter(served).open(path));
    assert.is(unread.code, 'NO_FILE');
    assert.match(unread.message, `${path} cannot be read at this node: `);
    const out = { path, progress: () => undefined, signal: signal() };
    const unwritten = await refusal(converter(served).take(state, 'raw', out));
    assert.is(unwritten.code, 'NO_FILE');
    assert.match(unwritten.message, `${path} cannot be made at this node: `);
  }
  assert.equal(await readdir(directory), ['file']);
});

test('a raw disk leaves the guests their room, and nothing of itself', async ({ directory, served }) => {
  const path = join(directory, 'disk.raw');
  writeFileSync(path, Buffer.alloc(MIB, 7));
  const layers = join(directory, 'layers');
  await realDisk.makeDirectory(layers);
  const job = { image: 'web', layer: LAYER, path, format: 'raw' as const, progress: () => undefined, signal: signal() };
  const place = { disk: realDisk, directory: layers };
  const full = converter(served, 64 * MIB);
  assert.is((await refusal(importImage({ ...place, converter: full }, job))).code, 'ENOSPC');
  assert.equal(await readdir(layers), []);
  const store = await importImage({ ...place, converter: converter(served, 70 * MIB) }, job);
  assert.is(store.table.mark.entries, MIB / BLOCK_BYTES);
  await store.close();
});

test.run();
