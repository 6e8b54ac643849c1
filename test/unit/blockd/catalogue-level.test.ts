// The catalogue's embedded store against the suite of all stores.
import { mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import { LevelStore } from '../../../blockd/catalogue/level-store.ts';
import { codeOf } from '../../../common/errors.ts';
import { refusal } from '../../refusal.ts';
import { context, newEntry, type StoreStand } from './catalogue-entries.ts';
import { catalogueStoreSuite } from './catalogue-suite.ts';

let root: string;

test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'catalogue-level-'));
});

test.after(async () => {
  await rm(root, { recursive: true, force: true });
});

async function stand(): Promise<StoreStand> {
  const directory = await mkdtemp(join(root, 'store-'));
  return {
    open: () => LevelStore.open(directory),
    async damage(key, text) {
      const level = new Level<string, string>(directory, { valueEncoding: 'utf8' });
      await level.put(key, text);
      await level.close();
    },
  };
}

catalogueStoreSuite('level', stand);

test('a second process is kept out of the directory, and the first goes on', async () => {
  const { open } = await stand();
  const store = await open();
  const error = await open().catch((reason: unknown) => reason);
  assert.is(error instanceof Error && codeOf(error.cause), 'LEVEL_LOCKED');
  assert.is(await store.commit(() => ({ change: {}, answer: 1 })), 1);
  await store.close();
});

/** A directory with so many commits in it, each of an image. */
async function filled(commits: number): Promise<string> {
  const directory = await mkdtemp(join(root, 'torn-'));
  const store = await LevelStore.open(directory);
  for (let n = 0; n < commits; n++) {
    await store.commit(() => ({ change: { entries: [newEntry(`image${n}`)] }, answer: undefined }));
  }
  await store.close();
  return directory;
}

async function fileOf(directory: string, pattern: RegExp): Promise<string> {
  const name = (await readdir(directory)).find((one) => pattern.test(one));
  if (name === undefined) throw new Error(`no ${pattern} in ${directory}`);
  return join(directory, name);
}

const damages: readonly [string, (directory: string) => Promise<void>][] = [
  ['without CURRENT', async (directory) => rm(join(directory, 'CURRENT'))],
  ['CURRENT is rubbish', async (directory) => writeFile(join(directory, 'CURRENT'), 'rubbish')],
  ['without its manifest', async (directory) => rm(await fileOf(directory, /^MANIFEST/))],
  ['its manifest is cut', async (directory) => truncate(await fileOf(directory, /^MANIFEST/), 5)],
];
for (const [what, damage] of damages) {
  test(`a directory that is damaged is refused, said and kept: ${what}`, async () => {
    const directory = await filled(2);
    await damage(directory);
    const left = await readdir(directory);
    const error = await refusal(LevelStore.open(directory));
    assert.is(error.code, 'CATALOGUE_DAMAGED');
    assert.match(error.message, directory);
    assert.match(error.remedy, 'supercloud catalogue rebuild');
    for (const name of left) assert.ok((await readdir(directory)).includes(name) || name.startsWith('LOG'), name);
  });
}

test('commits that a torn file has lost are missed as soon as a store tells what it keeps', async () => {
  const directory = await filled(3);
  const log = await fileOf(directory, /\.log$/);
  await truncate(log, (await stat(log)).size - 10);
  const store = await LevelStore.open(directory);
  assert.is(store.state.serial, 2, 'LevelDB says nothing of it');
  const report = { layers: [], unusable: [], members: [], kept: { incarnation: 1, serial: 3 } };
  const { behind } = await catalogueCalls(store)['store.heard']({ node: 'a', report }, context);
  assert.match(behind, /node a keeps .* commit 3 .* the newest here is commit 2/);
  await store.close();
});

test.run();
