// Images as files of a real mount whose blockd is away for a while, died, or stands still: what waits, what fails, and that
// all is as before afterwards.
import { open } from 'node:fs/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { FuseStand, readAt, settled } from './fuse-stand.ts';

const MIB = 2 ** 20;

let stand: FuseStand;

test.before(async () => {
  await ensurePackages(['qemu-utils'], new ProgressLine());
  stand = await FuseStand.make();
  await stand.startBlockd('log:16M');
  await stand.startFuse();
});

test.after(async () => {
  await stand.remove();
});

test('requests wait while blockd is away, and go on with the next one', async () => {
  const file = await open(stand.file('log'), 'r+');
  try {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await file.write(Buffer.alloc(4096, 1), 0, 4096, 8192);
      await file.sync();
      await stand.stopBlockd(signal);
      const read = readAt(file, 8192, 4096);
      const write = file.write(Buffer.alloc(4096, 2), 0, 4096, 0);
      await stand.startBlockd();
      assert.ok((await read).equals(Buffer.alloc(4096, 1)), signal);
      await write;
      await file.sync();
      await stand.io('log', 'read -P 2 0 4096');
    }
  } finally {
    await file.close();
  }
});

test('an fsync after blockd died with unflushed writes says so once', async () => {
  const file = await open(stand.file('log'), 'r+');
  try {
    await file.write(Buffer.alloc(4096, 3), 0, 4096, 0);
    await stand.stopBlockd('SIGKILL');
    await stand.startBlockd();
    assert.is(await settled(file.sync()), 'EIO');
    await file.write(Buffer.alloc(4096, 4), 0, 4096, 0);
    await file.sync();
  } finally {
    await file.close();
  }
});

test('what waited too long for blockd fails, and later requests are served again', async () => {
  await stand.stopFuse('SIGTERM');
  await stand.startFuse(3);
  const file = await open(stand.file('log'), 'r+');
  try {
    await stand.stopBlockd('SIGTERM');
    const waiting = [readAt(file, 0, 4096), file.write(Buffer.alloc(MIB)), file.sync()];
    assert.equal(await Promise.all(waiting.map(settled)), ['EIO', 'EIO', 'EIO']);
    await stand.startBlockd();
    assert.is((await readAt(file, 0, 4096)).length, 4096);
  } finally {
    await file.close();
  }
});

test('a blockd that stands still is waited for so long and no longer; then all is as before, and nothing acknowledged is lost', async () => {
  const filled = (pattern: number): Buffer => Buffer.alloc(4096, pattern);
  const file = await open(stand.file('log'), 'r+');
  try {
    await file.write(filled(21), 0, 4096, 0);
    await file.sync();
    await file.write(filled(22), 0, 4096, 4096);
    stand.pauseBlockd();
    const waiting = [readAt(file, 0, 4096), file.write(filled(23), 0, 4096, 8192), file.sync()];
    assert.equal(await Promise.all(waiting.map(settled)), ['EIO', 'EIO', 'EIO']);
    assert.is(await settled(file.write(filled(24), 0, 4096, 8192)), 'EIO', 'nor for a later one');
    const later = file.write(filled(25), 0, 4096, 8192);
    stand.goOnBlockd();
    assert.is(await settled(later), 'done');
    await file.sync();
    for (const [pattern, at] of [
      [21, 0],
      [22, 4096],
      [25, 8192],
    ] as const) {
      assert.ok((await readAt(file, at, 4096)).equals(filled(pattern)), `at ${at}`);
    }
  } finally {
    stand.goOnBlockd();
    await file.close();
  }
});

test.run();
