// The catalogue's embedded store against the suite of all stores.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LevelStore } from '../../../blockd/catalogue/level-store.ts';
import { codeOf } from '../../../common/errors.ts';
import { catalogueStoreSuite, type StoreStand } from './catalogue-suite.ts';

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

test.run();
