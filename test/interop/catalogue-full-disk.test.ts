// The catalogue's embedded store on a file system that is full: it is not taken for damaged, and opens once there is room.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LevelStore } from '../../blockd/catalogue/level-store.ts';
import { refusal } from '../refusal.ts';
import { newEntry } from '../unit/blockd/catalogue-entries.ts';

const DISK_BYTES = 8 * 2 ** 20;
const run = promisify(execFile);

let root: string;

test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'full-catalogue-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'supercloud-test', root]);
});

test.after(async () => {
  await run('umount', ['-l', root]);
  await rm(root, { recursive: true });
});

async function fill(): Promise<void> {
  const { bavail, bsize } = await statfs(root);
  await writeFile(join(root, 'filler'), Buffer.alloc(bavail * bsize));
}

test('a catalogue that finds no room says so, and opens with all that it had once there is some', async () => {
  const directory = join(root, 'heads');
  const store = await LevelStore.open(directory);
  await store.commit(() => ({ change: { entries: [newEntry('web')] }, answer: undefined }));
  await store.close();
  await fill();
  for (const where of [directory, join(root, 'other')]) {
    const error = await refusal(LevelStore.open(where));
    assert.is(error.code, 'ENOSPC');
    assert.match(error.message, `${where} has no room to be opened`);
  }
  await rm(join(root, 'filler'));
  const again = await LevelStore.open(directory);
  assert.equal(again.heads, [newEntry('web').head]);
  await again.close();
});

test('a catalogue that finds no room for a commit says so, and goes on with the next one once there is some', async () => {
  const directory = join(root, 'stuck');
  const store = await LevelStore.open(directory);
  const commit = (image: string): Promise<void> =>
    store.commit(() => ({ change: { entries: [newEntry(image)] }, answer: undefined }));
  await commit('web');
  await fill();
  // The last page of its log may have room for some.
  let error: { code: string; message: string } | undefined;
  for (let number = 0; number < 200 && error === undefined; number++)
    error = await commit(`filler${number}`).then(
      () => undefined,
      (failed: unknown) => failed as { code: string; message: string },
    );
  assert.is(error?.code, 'ENOSPC');
  assert.match(error?.message ?? '', `${directory} has no room for a change`);
  assert.is((await refusal(commit('db'))).code, 'ENOSPC');
  await rm(join(root, 'filler'));
  await commit('db');
  const names = store.heads.map(({ image }) => image);
  assert.ok(names.includes('web') && names.includes('db'));
  await store.close();
  const again = await LevelStore.open(directory);
  assert.equal(again.heads.map(({ image }) => image).sort(), names.sort());
  await again.close();
});

test('a file system that is read only is not taken for damage', async () => {
  const directory = join(root, 'fixed');
  await (await LevelStore.open(directory)).close();
  await run('mount', ['-o', 'remount,ro', root]);
  try {
    const error = await refusal(LevelStore.open(directory));
    assert.is(error.code, 'EROFS');
    assert.match(error.message, `${directory} cannot be written: its file system is read only`);
  } finally {
    await run('mount', ['-o', 'remount,rw', root]);
  }
});

test.run();
