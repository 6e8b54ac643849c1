// Foreign clients' own judges on an export: fio's NBD engine verifies what it wrote, and an ext4 on a loop device over nbdfuse
// is sound and keeps its files, also over a daemon that is killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FuseStand } from './fuse-stand.ts';

const MIB = 2 ** 20;
const IMAGE_BYTES = 64 * MIB;
/** A slow machine's patience. */
const LOOKS_MAX = 1_200;
const LOOK_MS = 50;

let stand: FuseStand;
let nbdfuse: ChildProcess | undefined;

test.before(async () => {
  stand = await FuseStand.make();
  await stand.startBlockd('web:64M', 'fio:64M');
});

test.after(async () => {
  await stopNbdfuse();
  await stand.remove();
});

const file = (): string => join(stand.root, 'disk');

/** nbdfuse shows the export as one file, once that has its size. */
async function startNbdfuse(): Promise<void> {
  await writeFile(file(), '');
  nbdfuse = spawn('nbdfuse', [file(), stand.uri('web')], { stdio: ['ignore', 'inherit', 'inherit'] });
  for (let looks = 0; (await stat(file())).size !== IMAGE_BYTES; looks++) {
    if (looks === LOOKS_MAX) throw new Error('nbdfuse shows nothing');
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function stopNbdfuse(): Promise<void> {
  const child = nbdfuse;
  nbdfuse = undefined;
  if (child === undefined) return;
  const exited = once(child, 'exit');
  await stand.tool('fusermount3', '-u', file());
  await exited;
}

/** Mounts the file system over nbdfuse. */
async function withMounted(work: (at: string) => Promise<void>): Promise<void> {
  const at = join(stand.root, 'ext4');
  await mkdir(at, { recursive: true });
  await stand.tool('mount', '-o', 'loop', file(), at);
  try {
    await work(at);
  } finally {
    await stand.tool('umount', at);
  }
}

test('fio verifies through its NBD engine what it wrote: one at a time, many, unaligned and large', async () => {
  const words = [
    '--ioengine=nbd',
    `--uri=${stand.uri('fio')}`,
    '--verify=crc32c',
    '--verify_state_save=0',
    '--verify_fatal=1',
    '--randrepeat=0',
    '--group_reporting',
  ];
  const lots = [
    ['--name=one', '--rw=randwrite', '--bs=4k', '--size=8M', '--iodepth=1', '--fsync=256'],
    ['--name=many', '--rw=randwrite', '--bs=4k', '--size=32M', '--iodepth=32'],
    ['--name=mixed', '--rw=randwrite', '--bsrange=512-256k', '--bs_unaligned', '--size=32M', '--iodepth=8'],
    ['--name=large', '--rw=write', '--bs=1M', '--size=64M', '--iodepth=4'],
    ['--name=trims', '--rw=randtrimwrite', '--bs=64k', '--size=32M', '--iodepth=1', '--trim_percentage=20'],
  ];
  for (const lot of lots) {
    const said = await stand.tool('fio', ...words, ...lot);
    assert.match(said, /err= 0/, lot[0]);
  }
});

test('an ext4 on a loop device over nbdfuse is sound, and its files outlive the daemon that is killed', async () => {
  const bytes = randomBytes(24 * MIB);
  await startNbdfuse();
  await stand.tool('mkfs.ext4', '-q', '-F', file());
  await withMounted(async (at) => {
    const kept = await open(join(at, 'kept'), 'w');
    await kept.writeFile(bytes);
    await kept.sync();
    await kept.close();
    for (let number = 0; number < 200; number++) await writeFile(join(at, `small-${number}`), `file ${number}\n`);
  });
  await stand.tool('e2fsck', '-f', '-n', file());
  const synced = await open(file(), 'r+');
  await synced.sync();
  await synced.close();
  await stopNbdfuse();
  await stand.stopBlockd('SIGKILL');
  await stand.startBlockd();
  await startNbdfuse();
  await stand.tool('e2fsck', '-f', '-n', file());
  await withMounted(async (at) => {
    assert.ok((await readFile(join(at, 'kept'))).equals(bytes));
    for (let number = 0; number < 200; number++)
      assert.is(await readFile(join(at, `small-${number}`), 'utf8'), `file ${number}\n`);
  });
  await stopNbdfuse();
});

test.run();
