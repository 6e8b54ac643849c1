import { execFile } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dropCached } from '../../../common/disk/page-cache.ts';
import { onDisk } from '../../scratch.ts';

const run = promisify(execFile);
const BYTES = 2 ** 20;

/** How many bytes of a file the kernel has in memory. */
async function cachedBytes(path: string): Promise<number> {
  const { stdout } = await run('fincore', ['--bytes', '--noheadings', '--output', 'RES', path], { timeout: 10_000 });
  return Number(stdout);
}

test('clean pages are dropped, and the file reads as before', async () => {
  const directory = await mkdtemp(join(onDisk(), 'page-cache-'));
  const path = join(directory, 'data');
  const file = await open(path, 'w+');
  try {
    await file.write(Buffer.alloc(BYTES, 7));
    await file.datasync();
    assert.is(await cachedBytes(path), BYTES);
    await dropCached(path);
    assert.is(await cachedBytes(path), 0);
    assert.ok((await readFile(path)).equals(Buffer.alloc(BYTES, 7)));
  } finally {
    await file.close();
    await rm(directory, { recursive: true });
  }
});

test.run();
