import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ensureLevelDirectory } from '../../../common/disk/level-directory.ts';

let root: string;
let directory: string;

test.before.each(async () => {
  root = await mkdtemp(join(tmpdir(), 'level-'));
  directory = join(root, 'state', 'heads');
});

test.after.each(() => rm(root, { recursive: true, force: true }));

/** Opens what is there and nothing new; answers the value of a key, which is put there if it has none. */
async function valueIn(key: string): Promise<unknown> {
  const level = new Level<string, string>(directory, { createIfMissing: false });
  await level.open();
  const value = await level.get(key);
  if (value === undefined) await level.put(key, 'kept');
  await level.close();
  return value;
}

test('a database is made where there is nothing, and left alone where there is one', async () => {
  await ensureLevelDirectory(directory);
  assert.is(await valueIn('key'), undefined);
  await ensureLevelDirectory(directory);
  assert.is(await valueIn('key'), 'kept');
  assert.equal(await readdir(join(root, 'state')), ['heads']);
});

test('what a crash left of one that was being made is made anew, also in the place of an empty directory', async () => {
  await mkdir(directory, { recursive: true });
  await mkdir(`${directory}.new`);
  await writeFile(join(`${directory}.new`, 'CURRENT'), 'MANIFEST-000001\n');
  await writeFile(join(`${directory}.new`, 'MANIFEST-000001'), '');
  await ensureLevelDirectory(directory);
  assert.is(await valueIn('key'), undefined);
  assert.equal(await readdir(join(root, 'state')), ['heads']);
});

test('one that does not open is not replaced', async () => {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'CURRENT'), 'MANIFEST-000001\n');
  await ensureLevelDirectory(directory);
  assert.equal(await readdir(directory), ['CURRENT']);
});

test.run();
