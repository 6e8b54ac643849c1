// Disks in the formats of others through a real daemon: round trips judged by qemu-img, and hostile files refused
// (`convert-sandbox` has what is left without the inspection).
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../common/errors.ts';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import type { Closing, ExportFormat } from '../../wire/contracts/blockd.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import { refusal } from '../refusal.ts';
import { BlockdNode } from './blockd-node.ts';
import { ovf, qcow2, tar, vhdFooter, vmdk, vmdkDescriptor } from './convert-files.ts';

const MIB = 2 ** 20;
/** Not whole MiB, nor whole blocks of 64 KiB. */
const RAW_BYTES = 40 * MIB + 3 * 4096;
const IMAGE_BYTES = RAW_BYTES;
const TOOL_MS = 60_000;
const SECRET = 'the-secret-of-another-file';
const DRIVERS = { raw: 'raw', qcow2: 'qcow2', vmdk: 'vmdk', vhd: 'vpc', vhdx: 'vhdx' } as const;
const LAYER = 'l00000000000000aa';
const OTHER_LAYER = 'l00000000000000bb';
const STACK = { layer: LAYER, generation: 1, below: [] };
const run = promisify(execFile);

let root: string;
let node: BlockdNode;
let raw: string;
let secret: string;

test.before(async () => {
  await ensurePackages(['qemu-utils', 'bubblewrap'], new ProgressLine());
  root = await mkdtemp(join(tmpdir(), 'convert-'));
  // Nobody may come as far as the other file by its name: what keeps it from that must be the sandbox.
  await chmod(root, 0o755);
  const authority = await createAuthority();
  const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
  node = await BlockdNode.make(authority, controller, root, 'a', '127.0.0.5');
  raw = join(root, 'disk.raw');
  secret = join(root, 'secret');
  await writeFile(secret, SECRET.repeat(1000), { mode: 0o644 });
  await makeDisk(raw);
  await node.start();
});

test.after(async () => {
  await node.stop('SIGKILL');
  node.close();
  await rm(root, { recursive: true, force: true });
});

/** Islands of random content between zeros, one of them at the very end. */
async function makeDisk(path: string): Promise<void> {
  const file = await open(path, 'w');
  await file.truncate(RAW_BYTES);
  for (const offset of [0, 7 * MIB + 512, 20 * MIB, RAW_BYTES - 5000]) {
    await file.write(randomBytes(300_000).subarray(0, RAW_BYTES - offset), 0, undefined, offset);
  }
  // As of a disk with a partition table.
  await file.write(Buffer.from('55aa', 'hex'), 0, 2, 510);
  await file.close();
}

async function tool(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(command, args, { timeout: TOOL_MS });
  return stdout;
}

const path = (name: string): string => join(root, name);

/** A closed image of one layer, as an export is told of it. */
function stillOf({ image, lastSequence, entries, digest }: Closing): {
  image: string;
  bytes: number;
  layers: SealedLayer[];
} {
  const sealed = { layer: LAYER, bytes: IMAGE_BYTES, lastSequence, entries, digest };
  return { image, bytes: IMAGE_BYTES, layers: [sealed] };
}

/** Imports, compares by way of a raw export, and deletes. */
async function roundTrip(image: string, file: string): Promise<void> {
  const told: number[] = [];
  const onProgress = (value: { doneBytes: number }): void => void told.push(value.doneBytes);
  const last = await node.controller.call('image.import', { image, layer: LAYER, path: file }, { onProgress });
  assert.ok(last.entries > 0 && last.entries < 400, `${last.entries} blocks are written`);
  assert.is(told.at(-1), (await node.self.call('image.show', { image })).bytes);
  const out = path(`${image}.out`);
  await node.controller.call('image.export', { ...stillOf(last), path: out, format: 'raw' });
  assert.match(await tool('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, out), /identical/);
  await node.controller.call('layer.drop', { layer: LAYER });
}

const INPUTS: readonly (readonly [string, keyof typeof DRIVERS, readonly string[]])[] = [
  ['qcow', 'qcow2', []],
  ['qcow-packed', 'qcow2', ['-c']],
  ['qcow-old', 'qcow2', ['-o', 'compat=0.10']],
  ['vmdk-sparse', 'vmdk', ['-o', 'subformat=monolithicSparse']],
  ['vmdk-stream', 'vmdk', ['-o', 'subformat=streamOptimized']],
  ['vhd-fixed', 'vhd', ['-o', 'subformat=fixed,force_size=on']],
  ['vhd-dynamic', 'vhd', ['-o', 'subformat=dynamic,force_size=on']],
  ['vhdx', 'vhdx', []],
];

for (const [image, format, options] of INPUTS) {
  test(`a ${image} file comes in as it is`, async () => {
    const file = path(`${image}.in`);
    await tool('qemu-img', 'convert', '-f', 'raw', '-O', DRIVERS[format], ...options, raw, file);
    await chmod(file, 0o600);
    await roundTrip(image, file);
  });
}

test('a raw file and an OVA come in as they are', async () => {
  await roundTrip('plain', raw);
  const disk = path('vmdk-stream.in');
  await writeFile(
    path('vm.ova'),
    tar([
      { name: 'vm.ovf', bytes: ovf('disk.vmdk') },
      { name: 'vm.mf', bytes: Buffer.from('SHA256(vm.ovf)= 00') },
      { name: 'disk.vmdk', bytes: await readFile(disk) },
    ]),
  );
  await roundTrip('ova', path('vm.ova'));
});

test('a file of no known kind becomes a disk only if it is said to be one', async () => {
  await writeFile(path('notes.img'), 'not a disk'.repeat(512));
  const order = { image: 'notes', layer: LAYER, path: path('notes.img') };
  const refused = await refusal(node.controller.call('image.import', order));
  assert.equal(
    [refused.code, refused.remedy],
    ['IMAGE_REFUSED', 'If it is a raw disk all the same, say --format raw.'],
  );
  await node.controller.call('image.import', { ...order, format: 'raw' });
  await node.controller.call('layer.drop', { layer: LAYER });
});

test('a closed image goes out in each format, once', async () => {
  const last = await node.controller.call('image.import', { image: 'web', layer: LAYER, path: raw });
  const formats: readonly ExportFormat[] = ['raw', 'qcow2', 'vmdk', 'vhd'];
  for (const format of formats) {
    const file = path(`out.${format}`);
    const made = await node.controller.call('image.export', { ...stillOf(last), path: file, format });
    assert.is(made.bytes, format === 'vhd' ? 41 * MIB : RAW_BYTES);
    assert.match(await tool('qemu-img', 'compare', '-f', 'raw', '-F', DRIVERS[format], raw, file), /identical/);
    assert.is((await stat(file)).uid, 0);
    assert.is(
      await codeOf(node.controller.call('image.export', { ...stillOf(last), path: file, format })),
      'FILE_EXISTS',
    );
  }
  assert.is((await stat(path('out.vhd'))).size, 41 * MIB + 512);
  assert.match(await tool('qemu-img', 'info', '--output=json', path('out.vmdk')), /streamOptimized/);
});

test('an open image, or another than was closed, does not go out', async () => {
  const { bytes, digest, lastSequence, writtenBlocks } = await node.self.call('image.show', { image: 'web' });
  const last = { image: 'web', epoch: 0, lastSequence, entries: writtenBlocks, digest, generation: 1 };
  const target = { path: path('refused.raw'), format: 'raw' } as const;
  const other = { ...last, digest: '0'.repeat(32) };
  assert.is(await codeOf(node.controller.call('image.export', { ...stillOf(other), ...target })), 'TABLE_DIFFERS');
  await node.controller.call('image.open', { image: 'web', bytes, stack: STACK, epoch: 1, last, from: node.endpoint });
  assert.is(await codeOf(node.controller.call('image.export', { ...stillOf(last), ...target })), 'IMAGE_OPEN');
  assert.not.ok((await readdir(root)).some((name) => name.startsWith('refused')));
});

function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'nothing was refused',
    (error: unknown) => (error instanceof OperationError ? error.code : String(error)),
  );
}

/** What blockd keeps of images. */
const kept = (): Promise<string[]> => readdir(join(root, 'a', 'state', 'layers'));

test('hostile files are refused and nothing is left of them', async () => {
  const before = await kept();
  const whole = await readFile(path('qcow.in'));
  const hostile = {
    backing: qcow2({ backing: secret }),
    json: qcow2({ backing: `json:{"driver":"file","filename":"${secret}"}` }),
    data: qcow2({ features: 4n, dataFile: secret }),
    huge: qcow2({ bytes: 1n << 63n }),
    cut: whole.subarray(0, Math.floor(whole.length / 2)),
    descriptor: Buffer.from(vmdkDescriptor(secret)),
    wrapped: vmdk(vmdkDescriptor(secret), 0n),
    parent: vhdFooter(4),
    nested: tar([
      { name: 'vm.ovf', bytes: ovf('../secret') },
      { name: '../secret', bytes: qcow2() },
    ]),
  };
  for (const [name, bytes] of Object.entries(hostile)) {
    await writeFile(path(name), bytes);
    assert.is(
      await codeOf(node.controller.call('image.import', { image: 'evil', layer: OTHER_LAYER, path: path(name) })),
      'IMAGE_REFUSED',
      name,
    );
  }
  assert.equal(await kept(), before);
});

test('nothing is left of an import whose daemon was killed, or that was cancelled', async () => {
  const before = await kept();
  const file = path('slow.qcow2');
  await tool('qemu-img', 'create', '-f', 'qcow2', file, '512G');
  const end = new AbortController();
  const cancelled = node.controller.call(
    'image.import',
    { image: 'slow', layer: OTHER_LAYER, path: file },
    { signal: end.signal, onProgress: () => end.abort() },
  );
  assert.is(await codeOf(cancelled), 'CANCELLED');
  await node.controller.call('layer.drop', { layer: OTHER_LAYER });
  assert.equal(await kept(), before);
  const begun = Promise.withResolvers<void>();
  const killed = node.controller.call(
    'image.import',
    { image: 'slow', layer: OTHER_LAYER, path: file },
    { onProgress: () => begun.resolve() },
  );
  const code = codeOf(killed);
  await begun.promise;
  assert.ok((await kept()).includes(`${OTHER_LAYER}.data`));
  await node.stop('SIGKILL');
  assert.is(await code, 'CONNECTION_LOST');
  await node.start();
  assert.equal(await kept(), before);
});

test.run();
