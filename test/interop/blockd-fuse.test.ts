// Images as files of a real mount, with the programs that use files: dd, qemu-img, fio, mkfs.ext4 and a loop mount; and
// ends of the mount.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { until } from '../until.ts';
import { FuseStand, readAt, settled } from './fuse-stand.ts';

const MIB = 2 ** 20;
const IMAGE_BYTES = 256 * MIB;
const SECTOR_BYTES = 512;

let stand: FuseStand;

test.before(async () => {
  await ensurePackages(['qemu-utils', 'libnbd-bin', 'nbdkit', 'fio', 'e2fsprogs'], new ProgressLine());
  stand = await FuseStand.make();
  await stand.startBlockd('web:256M', 'log:16M');
  await stand.startFuse();
});

test.after(async () => {
  await stand.remove();
});

async function mounts(): Promise<string[]> {
  const lines = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
  return lines.filter((line) => line.includes('fuse.supercloud'));
}

test('each image is a file of its size, private, under one mount', async () => {
  assert.equal(await readdir(stand.at), ['log', 'web']);
  const { size, mode, uid } = await stat(stand.file('web'));
  assert.equal([size, mode, uid], [IMAGE_BYTES, 0o100600, 0]);
  assert.is((await stat(stand.file('log'))).size, 16 * MIB);
  assert.match(await stand.tool('qemu-img', 'info', '-f', 'raw', stand.file('web')), /virtual size: 256 MiB/);
  assert.match(await stand.tool('df', '--output=size', '-B', '1M', stand.at), /\b272\b/);
  assert.is((await mounts()).length, 1);
});

test('what dd writes is what NBD clients read, and what they write is in the file at once', async () => {
  const source = join(stand.root, 'source');
  await writeFile(source, randomBytes(8 * MIB));
  await stand.tool('dd', `if=${source}`, `of=${stand.file('log')}`, 'bs=1M', 'conv=notrunc,fsync', 'status=none');
  await stand.tool(
    'dd',
    `if=${source}`,
    `of=${stand.file('log')}`,
    'bs=3000',
    'seek=1000',
    'count=900',
    'conv=notrunc',
    'status=none',
  );
  assert.match(
    await stand.tool('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', stand.file('log'), stand.uri('log')),
    /identical/,
  );
  const file = await open(stand.file('log'), 'r');
  try {
    assert.ok((await readAt(file, 0, 3_000_000)).equals((await readFile(source)).subarray(0, 3_000_000)));
    await stand.io('log', 'write -P 77 4096 4096', 'flush');
    assert.ok((await readAt(file, 4096, 4096)).equals(Buffer.alloc(4096, 77)));
  } finally {
    await file.close();
  }
});

test('a disk in another format comes in through the file and goes out of it', async () => {
  const qcow = join(stand.root, 'disk.qcow2');
  await stand.tool('qemu-img', 'create', '-q', '-f', 'qcow2', qcow, '16M');
  await stand.tool('qemu-io', '-f', 'qcow2', '-c', 'write -P 3 1M 2M', qcow);
  await stand.tool('qemu-img', 'convert', '-n', '-f', 'qcow2', '-O', 'raw', qcow, stand.file('log'));
  assert.match(
    await stand.tool('qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', qcow, stand.file('log')),
    /identical/,
  );
});

test('fio reads back what it wrote: one writer, many at once, and past the page cache', async () => {
  const words = [
    `--filename=${stand.file('web')}`,
    '--ioengine=psync',
    '--verify=crc32c',
    '--verify_state_save=0',
    '--randrepeat=0',
    '--group_reporting',
  ];
  const lots = [
    ['--name=small', '--rw=randwrite', '--bs=4k', '--size=16M', '--fsync=256'],
    ['--name=mixed', '--rw=randwrite', '--bsrange=512-300k', '--bs_unaligned', '--size=32M'],
    ['--name=many', '--rw=randwrite', '--bs=8k', '--size=4M', '--numjobs=8', '--offset_increment=8M', '--thread'],
    ['--name=large', '--rw=write', '--bs=1M', '--size=64M', '--direct=1'],
  ];
  for (const lot of lots) await stand.tool('fio', ...words, ...lot);
});

test('an ext4 on a loop device over the file is sound, and what it discards is given back', async () => {
  const at = join(stand.root, 'ext4');
  const filler = join(at, 'filler');
  await mkdir(at);
  await stand.tool('mkfs.ext4', '-q', '-F', stand.file('web'));
  await stand.tool('mount', '-o', 'loop', stand.file('web'), at);
  let filled = 0;
  try {
    const bytes = randomBytes(40 * MIB);
    await writeFile(filler, bytes);
    await stand.tool('sync', '-f', at);
    assert.ok((await readFile(filler)).equals(bytes));
    filled = await dataBytes();
    assert.ok(filled >= bytes.length);
    await rm(filler);
    // Until then its blocks are not free.
    await stand.tool('sync', '-f', at);
    await stand.tool('fstrim', at);
    await writeFile(join(at, 'kept'), 'a few words');
  } finally {
    await stand.tool('umount', at);
  }
  assert.ok((await dataBytes()) <= filled - 39 * MIB, 'the hole came through');
  await untilCounted(await dataBytes());
  await stand.tool('e2fsck', '-f', '-n', stand.file('web'));
});

/** What stat(2) counts is as of a moment ago, and looked at anew when somebody asks. */
function untilCounted(bytes: number): Promise<void> {
  return until(
    `${bytes} bytes are counted`,
    async () => (await stat(stand.file('web'))).blocks * SECTOR_BYTES === bytes,
  );
}

/** Bytes of the image web that are not a hole. */
async function dataBytes(): Promise<number> {
  const extents = JSON.parse(await stand.tool('nbdinfo', '--map', '--json', stand.uri('web')));
  return extents.reduce(
    (sum: number, { length, type }: { length: number; type: number }) => sum + (type === 0 ? length : 0),
    0,
  );
}

test('a program that asks for holes finds them', async () => {
  const file = stand.file('log');
  await stand.tool('fallocate', '-p', '-o', '0', '-l', '16M', file);
  const source = join(stand.root, 'holes');
  await writeFile(source, randomBytes(MIB));
  await stand.tool('dd', `if=${source}`, `of=${file}`, 'bs=1M', 'seek=4', 'conv=notrunc,fsync', 'status=none');
  const map = JSON.parse(await stand.tool('qemu-img', 'map', '--output=json', '-f', 'raw', file));
  assert.equal(
    map.map(({ start, length, data: isData }: Record<string, unknown>) => [start, length, isData]),
    [
      [0, 4 * MIB, false],
      [4 * MIB, MIB, true],
      [5 * MIB, 11 * MIB, false],
    ],
  );
});

test('an image cannot be made, removed, grown or cut, and has an end', async () => {
  assert.match(await stand.fault('truncate', '-s', '1M', stand.file('log')), /Operation not permitted/);
  assert.match(await stand.fault('truncate', '-s', '1G', stand.file('log')), /File too large/);
  assert.match(await stand.fault('rm', '-f', stand.file('log')), /Operation not permitted/);
  assert.match(await stand.fault('touch', stand.file('new')), /Operation not permitted/);
  assert.match(await stand.fault('mv', stand.file('log'), stand.file('new')), /Operation not permitted/);
  const words = ['if=/dev/zero', `of=${stand.file('log')}`, 'bs=1M', 'seek=15', 'count=2', 'conv=notrunc'];
  assert.match(await stand.fault('dd', ...words), /No space left on device/);
});

test('images of other servers come and go; one that is read-only cannot be written', async () => {
  const [readOnly, writable] = ['qemu', 'kit'].map((name) => join(stand.data, `${name}.sock`));
  const disk = join(stand.root, 'disk.raw');
  await writeFile(disk, randomBytes(MIB + 512));
  const servers = [
    spawn('qemu-nbd', ['-k', `${readOnly}`, '-t', '-r', '-f', 'raw', disk], { stdio: 'ignore' }),
    spawn('nbdkit', ['-f', '-U', `${writable}`, 'memory', '4M'], { stdio: 'ignore' }),
  ];
  try {
    await untilListed('qemu', 'kit');
    assert.is((await stat(stand.file('qemu'))).mode, 0o100400);
    assert.ok((await readFile(stand.file('qemu'))).equals(await readFile(disk)));
    assert.is(await settled(open(stand.file('qemu'), 'r+')), 'EROFS');
    const words = [
      '--ioengine=psync',
      '--verify=crc32c',
      '--verify_state_save=0',
      '--rw=randwrite',
      '--bs=4k',
      '--size=4M',
      '--fsync=64',
    ];
    await stand.tool('fio', '--name=kit', `--filename=${stand.file('kit')}`, ...words);
  } finally {
    await Promise.all(servers.map(end));
    for (const socket of [readOnly, writable]) await rm(`${socket}`, { force: true });
  }
  assert.equal(await readdir(stand.at), ['log', 'web']);
  assert.is(await settled(stat(stand.file('qemu'))), 'ENOENT');
});

/** By a kill: nbdkit ends in order only once its last client has left, and the mount stays connected. */
async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** Waits until the mount lists them; what is listed first exists as a socket before it listens. */
async function untilListed(...names: readonly string[]): Promise<void> {
  const changes = watch(stand.data);
  try {
    for (;;) {
      const changed = once(changes, 'change');
      const listed = await readdir(stand.at);
      if (names.every((name) => listed.includes(name))) return;
      await changed;
    }
  } finally {
    changes.close();
  }
}

test('a mount that runs is not taken over; one whose process was killed is mended by the next start', async () => {
  assert.match(await settled(stand.secondFuse()), /MOUNT_IN_USE/);
  assert.match(await settled(stand.secondFuse(stand.root)), /USAGE/);
  const plain = join(stand.root, 'plain');
  await writeFile(plain, '');
  assert.match(await settled(stand.secondFuse(plain)), /cannot be made a directory.*NO_DIRECTORY.*\n.*--at/);
  const file = await open(stand.file('web'), 'r');
  await stand.stopFuse('SIGKILL');
  assert.is(await settled(readAt(file, 0, 4096)), 'ENOTCONN');
  assert.is(await settled(stat(stand.at)), 'ENOTCONN');
  assert.is((await mounts()).length, 1);
  await stand.startFuse();
  assert.is((await mounts()).length, 1);
  assert.is(await settled(readAt(file, 0, 4096)), 'ENOTCONN');
  await file.close();
  await stand.tool('e2fsck', '-f', '-n', stand.file('web'));
});

test('a stop is in order, also while a file is open: exit 0, and no mount', async () => {
  const file = await open(stand.file('web'), 'r');
  assert.is(await stand.stopFuse('SIGTERM'), 0);
  assert.equal(await mounts(), []);
  assert.equal(await readdir(stand.at), []);
  assert.is(await settled(readAt(file, 0, 4096)), 'ENOTCONN');
  await file.close();
  await stand.startFuse();
  assert.is(await stand.stopFuse('SIGINT'), 0);
  assert.equal(await mounts(), []);
});

test('who unmounts it by hand ends it', async () => {
  await stand.startFuse();
  await stand.tool('umount', stand.at);
  assert.is(await stand.fuseEnded(), 0);
});

test.run();
