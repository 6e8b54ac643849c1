// Images of layers on real daemons, with qemu-io as the guest: cut while written, moved and moved back, cloned, seeded,
// exported, dropped; and exactly which blocks cross the link.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../common/errors.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import type { StoreImage } from '../../wire/contracts/blockd.ts';
import type { SealedLayer, Stack } from '../../wire/contracts/layers.ts';
import type { BlockdNode } from './blockd-node.ts';
import { BlockdNodes, EMPTY, moveImage, openNew } from './blockd-nodes.ts';

const MIB = 2 ** 20;
const BYTES = 16 * MIB;
const LARGER_BYTES = 20 * MIB;
const GROWN_BYTES = 30 * MIB;
const [FIRST, SECOND, THIRD, CLONE, LARGER, GROWN] = [1, 2, 3, 4, 5, 6].map((n) => `l${`${n}`.padStart(16, '0')}`) as [
  string,
  string,
  string,
  string,
  string,
  string,
];

let nodes: BlockdNodes;
let a: BlockdNode;
let b: BlockdNode;
let c: BlockdNode;
/** As the catalogue would have it. */
let stack: Stack = { layer: FIRST, generation: 1, below: [] };
let snapshot: SealedLayer[] = [];

test.before(async () => {
  await ensurePackages(['bubblewrap'], new ProgressLine());
  nodes = await BlockdNodes.start([
    { name: 'a', address: '127.0.0.21' },
    { name: 'b', address: '127.0.0.22' },
    { name: 'c', address: '127.0.0.23' },
  ]);
  [a, b, c] = [nodes.node('a'), nodes.node('b'), nodes.node('c')];
});

test.after(() => nodes?.stop());

function show(node: BlockdNode, image = 'web'): Promise<StoreImage> {
  return node.controller.call('image.show', { image });
}

async function fetchedBlocks(node: BlockdNode, work: () => Promise<unknown>): Promise<number> {
  const before = (await show(node)).counters;
  await work();
  const after = (await show(node)).counters;
  return after.fetchedOnDemandBlocks - before.fetchedOnDemandBlocks;
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'it went through',
    (error: unknown) => codeOf(error),
  );
}

async function cut(node: BlockdNode, id: string, layer: string): Promise<void> {
  const { sealed } = await node.controller.call('image.cut', { cut: id, cuts: [{ image: 'web', layer }] });
  const [made] = sealed;
  if (made === undefined) throw new Error('nothing was cut');
  stack = { layer, generation: stack.generation + 1, below: [made.sealed, ...stack.below] };
}

function move(from: BlockdNode, to: BlockdNode, migration: string, epoch: number): Promise<void> {
  return moveImage(from, to, { bytes: BYTES, stack }, { migration, epoch });
}

test('an image is cut under its writer, and survives kill -9 with both layers', async () => {
  await openNew(a, { bytes: BYTES, stack });
  await a.io('write -P 0x11 0 1M', 'write -P 0x12 8M 64k');
  await cut(a, 'c000000000000001', SECOND);
  snapshot = stack.below;
  assert.is(snapshot[0]?.entries, 256 + 16);
  await a.io('write -P 0x22 0 256k', 'write -P 0x23 1000k 1000', 'write -z 8M 8k', 'flush');
  const all = [
    ...['read -P 0x22 0 256k', 'read -P 0x11 256k 744k', 'read -P 0x23 1000k 1000', 'read -P 0x11 1025000 23576'],
    ...['read -P 0 8M 8k', 'read -P 0x12 8200k 56k', 'read -P 0 12M 1M'],
  ];
  await a.io(...all);
  await a.stop('SIGKILL');
  await a.start();
  await a.io(...all);
  assert.equal([(await show(a)).role, (await show(a)).layer], ['writer', SECOND]);
});

test('it moves with its layers, and only what is seen is fetched', async () => {
  await move(a, b, 'a000000000000001', 2);
  // 64 blocks and one of the top, the rest of the megabyte and of the 64k from below.
  const fetched = await fetchedBlocks(b, () =>
    b.io('read -P 0x22 0 256k', 'read -P 0x11 256k 744k', 'read -P 0x23 1000k 1000', 'read -P 0 8M 8k', 'read 8M 64k'),
  );
  assert.is(fetched, 64 + 1 + (250 - 64) + 14);
  await b.io('read 0 2M', 'read -P 0x12 8200k 56k');
  assert.equal((await show(b)).dependsOn, [], 'what the top hides is not needed');
});

test('it is cut there and comes back: only what is new crosses', async () => {
  await b.io('write -P 0x24 512k 64k');
  await cut(b, 'c000000000000002', THIRD);
  await b.io('write -P 0x33 4M 32k', 'write -P 0x34 300 100', 'flush');
  const before = (await show(a)).counters;
  await move(b, a, 'a000000000000002', 3);
  const fetched = await fetchedBlocks(a, () =>
    a.io(
      ...['read -P 0x34 300 100', 'read -P 0x22 4k 252k', 'read -P 0x24 512k 64k', 'read -P 0x33 4M 32k'],
      ...['read 0 2M', 'read -P 0x12 8200k 56k'],
    ),
  );
  assert.is(fetched, 1 + 16 + 8);
  const after = (await show(a)).counters;
  assert.ok(after.entryBytesIn - before.entryBytesIn < 3_000, 'of the layers below only what is new is told');
});

test('a clone stands on the snapshot, and neither changes the other', async () => {
  const { lastSequence = 0 } = snapshot[0] ?? {};
  const last = { ...EMPTY, image: 'clone', lastSequence };
  const cloned: Stack = { layer: CLONE, generation: 1, below: snapshot };
  const opening = { image: 'clone', bytes: BYTES, stack: cloned, epoch: 1, last, from: a.endpoint };
  await b.controller.call('image.open', opening);
  await b.ioOn('clone', 'read -P 0x11 0 1M', 'read -P 0x12 8M 64k', 'write -P 0x44 100 100', 'flush');
  await b.ioOn('clone', 'read -P 0x11 0 100', 'read -P 0x44 100 100', 'read -P 0x11 200 4k');
  await a.io('read -P 0x22 0 300', 'read -P 0x34 300 100');
  assert.is(await failureOf(b.controller.call('layer.drop', { layer: FIRST })), 'LAYER_IN_USE');
  const closing = await b.controller.call('image.close', { image: 'clone', layer: CLONE, epoch: 1 });
  assert.is(closing.generation, 1);
});

test('a larger top over a closed image reads zeros beyond the old end', async () => {
  const closing = await a.controller.call('image.close', { image: 'web', layer: THIRD, epoch: 3 });
  const { lastSequence, entries, digest } = closing;
  const sealed = { layer: THIRD, bytes: BYTES, lastSequence, entries, digest };
  stack = { layer: LARGER, generation: stack.generation + 1, below: [sealed, ...stack.below] };
  const last = { ...closing, entries: 0, digest: '0'.repeat(32), generation: stack.generation };
  const opening = { image: 'web', bytes: LARGER_BYTES, stack, epoch: 4, last, from: a.endpoint };
  await b.controller.call('image.open', opening);
  await b.io('read -P 0x34 300 100', 'read -P 0x33 4M 32k', 'read -P 0 15M 5M', 'write -P 0x55 16000k 1M', 'flush');
  await b.io('read -P 0x55 16000k 1M');
});

test('it grows under a client: that one goes on as it was, the next one has the new size, and so has one after a kill', async () => {
  const early = spawn('qemu-io', ['-f', 'raw', '-t', 'none', `nbd+unix:///web?socket=${b.socket}`]);
  // With the end of what it says, which may come after its own.
  const ended = once(early, 'close');
  let said = '';
  early.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  early.stdin.write('length\n');
  while (!/20 MiB/.test(said)) await once(early.stdout, 'data');
  const grown = { image: 'web', layer: GROWN, bytes: GROWN_BYTES };
  await b.controller.call('image.cut', { cut: 'c000000000000003', cuts: [grown] });
  early.stdin.end('write -P 0x66 100k 4k\nread -P 0x55 16000k 1M\nread -P 0x66 100k 4k\nlength\nquit\n');
  assert.equal(await ended, [0, null]);
  assert.not.match(said, /failed|error/i);
  assert.match(said, /20 MiB.*20 MiB/s, 'its own size stays what it was');
  const all = ['read -P 0x55 16000k 1M', 'read -P 0x66 100k 4k', 'read -P 0x33 4M 32k', 'read -P 0x77 29M 1M'];
  await b.io('read -P 0 20M 10M', 'write -P 0x77 29M 1M', 'flush', ...all);
  await b.stop('SIGKILL');
  await b.start();
  await b.io('read -P 0 20M 9M', ...all);
  assert.is((await show(b)).bytes, GROWN_BYTES);
});

test('a seeded snapshot needs nobody else, and goes out as a file', async () => {
  const told: number[] = [];
  const onProgress = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }): void => {
    told.push(doneBytes / totalBytes);
  };
  const order = { layers: snapshot, from: a.endpoint, rateBytesPerSecond: 50_000_000 };
  await c.controller.call('layer.seed', order, { onProgress });
  assert.equal([told[0], told.at(-1)], [0, 1]);
  await a.stop('SIGKILL');
  await b.stop('SIGKILL');
  const path = join(nodes.root, 'out.raw');
  const still = { image: 'web', bytes: BYTES, layers: snapshot, path, format: 'raw' as const };
  await c.controller.call('image.export', still);
  const made = await readFile(path);
  const wanted = Buffer.alloc(BYTES);
  wanted.fill(0x11, 0, MIB);
  wanted.fill(0x12, 8 * MIB, 8 * MIB + 65_536);
  assert.ok(made.equals(wanted));
  await c.stop('SIGTERM');
  await c.start();
  const { layers } = await c.controller.call('layer.list', {});
  assert.equal([layers[0]?.role, layers[0]?.localBlocks], ['sealed', 272]);
  await c.controller.call('layer.drop', { layer: FIRST });
  assert.equal(await c.controller.call('layer.list', {}), { layers: [] });
});

test.run();
