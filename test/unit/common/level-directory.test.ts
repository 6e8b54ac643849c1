import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Level } from 'level';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readyLevelDirectory } from '../../../common/disk/level-directory.ts';
import { onDisk } from '../../scratch.ts';

const run = promisify(execFile);

let root: string;
let directory: string;

test.before.each(async () => {
  root = await mkdtemp(join(onDisk(), 'level-'));
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
  await readyLevelDirectory(directory);
  assert.is(await valueIn('key'), undefined);
  await readyLevelDirectory(directory);
  assert.is(await valueIn('key'), 'kept');
  assert.equal(await readdir(join(root, 'state')), ['heads']);
});

test('what a crash left of one that was being made is made anew, also in the place of an empty directory', async () => {
  await mkdir(directory, { recursive: true });
  await mkdir(`${directory}.new`);
  await writeFile(join(`${directory}.new`, 'CURRENT'), 'MANIFEST-000001\n');
  await writeFile(join(`${directory}.new`, 'MANIFEST-000001'), '');
  await readyLevelDirectory(directory);
  assert.is(await valueIn('key'), undefined);
  assert.equal(await readdir(join(root, 'state')), ['heads']);
});

test('what the kernel shows of its files is read from the disk before it is opened', async () => {
  await readyLevelDirectory(directory);
  await valueIn('key');
  await run('sync', ['-f', directory]);
  const cached = async (): Promise<number> => {
    const names = (await readdir(directory)).filter((name) => !name.startsWith('LO'));
    const paths = names.map((name) => join(directory, name));
    const { stdout } = await run('fincore', ['--bytes', '--noheadings', '--output', 'RES', ...paths]);
    return stdout.split('\n').reduce((sum, line) => sum + Number(line), 0);
  };
  assert.ok((await cached()) > 0);
  await readyLevelDirectory(directory);
  assert.is(await cached(), 0);
  assert.is(await valueIn('key'), 'kept');
});

test('one that is open here stays locked to others', async () => {
  await readyLevelDirectory(directory);
  const level = new Level<string, string>(directory);
  await level.open();
  await readyLevelDirectory(directory);
  const script = `
    import { Level } from '${import.meta.resolve('level')}';
    const level = new Level(${JSON.stringify(directory)});
    await level.open().then(() => console.log('open'), (error) => console.log(error.cause.code));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000 });
  assert.is(stdout.trim(), 'LEVEL_LOCKED');
  await level.close();
});

test('one that does not open is not replaced', async () => {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'CURRENT'), 'MANIFEST-000001\n');
  await readyLevelDirectory(directory);
  assert.equal(await readdir(directory), ['CURRENT']);
});

test.run();
