// Snapshots as files of a real mount over real daemons of a cluster: they come and go while it is mounted, read as the
// image was, and nothing can change them.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rmdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { messageOf } from '../../common/errors.ts';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import { BlockdNode } from './blockd-node.ts';
import { type Daemon, settled, startMount } from './fuse-stand.ts';

const MIB = 2 ** 20;
const BYTES = 16 * MIB;
const TOOL_MS = 60_000;
const [BASE, TOP, NEXT] = ['l00000000000000a1', 'l00000000000000a2', 'l00000000000000a3'] as const;
const EMPTY = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
const run = promisify(execFile);

let root: string;
let a: BlockdNode;
let b: BlockdNode;
let mount: Daemon;
let serial = 0;
/** What the image was, the newest layer first. */
let layers: SealedLayer[] = [];

test.before(async () => {
  await ensurePackages(['qemu-utils', 'libnbd-bin'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'shots-'));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'supercloud-test', root]);
  const authority = await createAuthority();
  const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
  a = await BlockdNode.make(authority, controller, root, 'a', '127.0.0.31');
  b = await BlockdNode.make(authority, controller, root, 'b', '127.0.0.32');
  for (const node of [a, b]) {
    await node.start();
    await node.controller.call('members.set', { members: [a.endpoint, b.endpoint] });
  }
  await a.controller.call('image.create', { image: 'web', layer: BASE, bytes: BYTES });
  const stack = { layer: BASE, generation: 1, below: [] };
  await a.controller.call('image.open', {
    ...{ image: 'web', bytes: BYTES, stack, epoch: 1, last: EMPTY, from: a.endpoint },
  });
  mount = await startMount(join(a.directory, 'run'), at(), 3);
});

test.after(async () => {
  await mount.stop('SIGTERM');
  for (const node of [a, b]) {
    await node.stop('SIGKILL');
    node.close();
  }
  await run('umount', [root]);
  await rmdir(root);
});

const at = (...names: readonly string[]): string => join(root, 'mount', ...names);

/** What is on top never changes again. */
async function cut(id: string, layer: string): Promise<void> {
  const { sealed } = await a.controller.call('image.cut', { cut: id, cuts: [{ image: 'web', layer }] });
  layers = [...sealed.map((one) => one.sealed), ...layers];
}

/** The catalogue names these snapshots. */
async function name(node: BlockdNode, snapshots: Readonly<Record<string, readonly SealedLayer[]>>): Promise<void> {
  const all = Object.entries(snapshots).map(([snapshot, of]) => ({
    snapshot,
    disks: [{ image: 'web', bytes: BYTES, layers: [...of] }],
  }));
  const mark = { incarnation: 1, serial: ++serial };
  await node.controller.call('records.keep', { mark, pins: [], snapshots: all, records: [] });
}

/** Waits until the mount lists these and no others. */
async function untilListed(node: BlockdNode, where: string, ...names: readonly string[]): Promise<void> {
  const changes = watch(join(node.directory, 'run'));
  try {
    for (;;) {
      const changed = once(changes, 'change');
      if ((await readdir(where)).join() === names.join()) return;
      await changed;
    }
  } finally {
    changes.close();
  }
}

/** What a program says that ought to fail. */
async function fault(command: string, ...words: readonly string[]): Promise<string> {
  return run(command, words, { timeout: TOOL_MS }).then(
    ({ stdout, stderr }) => stdout + stderr,
    (error: unknown) => (error instanceof Error && 'stderr' in error ? String(error.stderr) : messageOf(error)),
  );
}

const filled = (...parts: readonly (readonly [pattern: number, bytes: number])[]): Buffer =>
  Buffer.concat(parts.map(([pattern, bytes]) => Buffer.alloc(bytes, pattern)));

test('a snapshot that is made while the images are mounted is a file that reads as the image was', async () => {
  await a.io('write -P 1 0 1M', 'flush');
  assert.equal(await readdir(at()), ['web']);
  await cut('c000000000000001', TOP);
  await name(a, { monday: layers });
  await untilListed(a, at(), 'web', 'web@monday');
  await a.io('write -P 2 512k 1M', 'flush');
  const { size, mode } = await stat(at('web@monday'));
  assert.equal([size, mode], [BYTES, 0o100400]);
  const was = filled([1, MIB], [0, BYTES - MIB]);
  assert.ok((await readFile(at('web@monday'))).equals(was));
  assert.ok((await readFile(at('web'))).equals(filled([1, MIB / 2], [2, MIB], [0, BYTES - 1.5 * MIB])));
  const copy = join(root, 'copy.raw');
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', at('web@monday'), copy], { timeout: TOOL_MS });
  assert.ok((await readFile(copy)).equals(was));
});

test('nothing changes it', async () => {
  const file = at('web@monday');
  for (const flags of ['r+', 'a', 'w']) assert.is(await settled(open(file, flags)), 'EROFS', flags);
  assert.match(await fault('dd', 'if=/dev/zero', `of=${file}`, 'conv=notrunc', 'count=1'), /Read-only file system/);
  assert.match(await fault('truncate', '-s', '1M', file), /Read-only file system/);
  assert.match(await fault('rm', '-f', file), /Operation not permitted/);
  assert.match(await fault('mv', file, at('web@friday')), /Operation not permitted/);
  const uri = `nbd+unix:///web%40monday?socket=${join(a.directory, 'run', 'web@monday.sock')}`;
  const { stdout } = await run('nbdinfo', ['--json', uri], { timeout: TOOL_MS });
  assert.is(JSON.parse(stdout).exports[0].is_read_only, true);
  assert.ok((await readFile(file)).subarray(0, MIB).equals(Buffer.alloc(MIB, 1)));
});

test('a later one stands beside it, and one that is deleted goes, also under somebody who reads it', async () => {
  await cut('c000000000000002', NEXT);
  await name(a, { friday: layers, monday: layers.slice(1) });
  await untilListed(a, at(), 'web', 'web@friday', 'web@monday');
  assert.ok((await readFile(at('web@friday'))).equals(filled([1, MIB / 2], [2, MIB], [0, BYTES - 1.5 * MIB])));
  const file = await open(at('web@monday'), 'r');
  try {
    assert.is((await file.read(Buffer.alloc(4096), 0, 4096, 0)).bytesRead, 4096);
    await name(a, { friday: layers });
    await untilListed(a, at(), 'web', 'web@friday');
    assert.is(await settled(stat(at('web@monday'))), 'ENOENT');
    assert.is(await settled(file.read(Buffer.alloc(4096), 0, 4096, 0)), 'EIO');
  } finally {
    await file.close();
  }
});

test('it is there again after the daemon was killed', async () => {
  await a.stop('SIGKILL');
  await a.start();
  await untilListed(a, at(), 'web', 'web@friday');
  assert.ok((await readFile(at('web@friday'))).subarray(MIB / 2, 1.5 * MIB).equals(Buffer.alloc(MIB, 2)));
});

test('where it was seeded it is a file too', async () => {
  await name(b, { friday: layers });
  await b.controller.call('layer.seed', { layers, from: a.endpoint, rateBytesPerSecond: 100_000_000 });
  const other = await startMount(join(b.directory, 'run'), join(root, 'other'), 3);
  try {
    await untilListed(b, join(root, 'other'), 'web@friday');
    assert.ok((await readFile(join(root, 'other', 'web@friday'))).equals(await readFile(at('web@friday'))));
  } finally {
    await other.stop('SIGTERM');
  }
});

test.run();
