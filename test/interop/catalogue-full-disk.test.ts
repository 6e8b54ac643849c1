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

test.run();
