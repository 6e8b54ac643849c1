// An image moves between two real daemons and back, with qemu-io as the guest: what is read, what crosses the link.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { StoreImage } from '../../wire/contracts/blockd.ts';
import { until } from '../until.ts';
import type { BlockdNode } from './blockd-node.ts';
import { BlockdNodes, moveImage, openNew } from './blockd-nodes.ts';

const MIB = 2 ** 20;
const BYTES = 64 * MIB;
const FIRST_MOVE = 'a000000000000001';
const SECOND_MOVE = 'a000000000000002';
/** How long a hold waits for its block daemon. */
const PATIENCE_MS = 6_000;
const LAYER = 'l00000000000000aa';
const KNOWN = { bytes: BYTES, stack: { layer: LAYER, generation: 1, below: [] } };

let nodes: BlockdNodes;
let a: BlockdNode;
let b: BlockdNode;

test.before(async () => {
  nodes = await BlockdNodes.start([
    { name: 'a', address: '127.0.0.1' },
    { name: 'b', address: '127.0.0.2' },
  ]);
  [a, b] = [nodes.node('a'), nodes.node('b')];
});

test.after(() => nodes?.stop());

function show(node: BlockdNode): Promise<StoreImage> {
  return node.controller.call('image.show', { image: 'web' });
}

async function assertFails(call: Promise<unknown>): Promise<void> {
  const outcome = await call.then(
    () => 'it went through',
    () => 'failed',
  );
  assert.is(outcome, 'failed');
}

/** Moves the image, which is written until the hold begins. */
function move(from: BlockdNode, to: BlockdNode, migration: string, epoch: number): Promise<void> {
  return moveImage(from, to, KNOWN, { migration, epoch, beforeHold: () => from.io('write -P 0x77 60M 4k') });
}

test('what was written at A is read at B, fetched on demand', async () => {
  await openNew(a, KNOWN);
  await a.io('write -P 0x11 0 1M', 'write -P 0x22 5000000 1234', 'write -P 0x33 10M 64k', 'write -z 10M 8k', 'flush');
  await move(a, b, FIRST_MOVE, 2);
  await b.io(
    'read -P 0x11 0 1M',
    'read -P 0x22 5000000 1234',
    'read -P 0 10M 8k',
    'read -P 0x33 10248k 56k',
    'read -P 0x77 60M 4k',
    'read -P 0 30M 1M',
  );
  const shown = await show(b);
  assert.is(shown.role, 'writer');
  assert.is(shown.dependsOn.length, 0);
  assert.is(shown.counters.fetchedOnDemandBlocks, 256 + 2 + 14 + 1);
});

test('a write of a part of a block that is elsewhere keeps the rest', async () => {
  await b.io('write -P 0x44 100 50', 'read -P 0x11 0 100', 'read -P 0x44 100 50', 'read -P 0x11 150 4000');
});

test('on the way back only what changed crosses the link', async () => {
  await b.io('write -P 0x55 20M 16k', 'flush');
  const before = (await show(a)).counters;
  await move(b, a, SECOND_MOVE, 3);
  await a.io(
    'read -P 0x11 4k 1020k',
    'read -P 0x44 100 50',
    'read -P 0x55 20M 16k',
    'read -P 0x22 5000000 1234',
    'read -P 0x77 60M 4k',
  );
  const after = (await show(a)).counters;
  // Block 0, the four at 20M and the one written during the stand-by.
  assert.is(after.fetchedOnDemandBlocks - before.fetchedOnDemandBlocks, 6);
  assert.ok(after.blockBytesIn - before.blockBytesIn < 6 * 4096 + 500);
  assert.ok(after.entryBytesIn - before.entryBytesIn < 1_000);
});

test('flushed writes survive kill -9 and then still move', async () => {
  await a.io('write -P 0x66 1M 256k', 'flush', 'write -P 0x67 2M 8k');
  await a.stop('SIGKILL');
  await a.start();
  await a.io('read -P 0x66 1M 256k', 'read -P 0x11 4k 1020k', 'read -P 0x55 20M 16k');
  await move(a, b, 'a000000000000003', 4);
  await b.io('read -P 0x66 1M 256k', 'read -P 0x11 4k 1020k', 'read -P 0x55 20M 16k', 'read -P 0x44 100 50');
});

test("a daemon that stood still beyond its caller's patience freezes for no migration that was thawed", async () => {
  const migration = 'a000000000000004';
  b.pause();
  const freezing = b.self.call('writer.freeze', { migration, images: ['web'] }, { timeoutMs: PATIENCE_MS });
  await assertFails(freezing);
  const thawing = b.self.call('writer.thaw', { migration });
  b.goOn();
  await thawing;
  await b.io('write -P 0x68 3M 4k', 'flush', 'read -P 0x68 3M 4k');
  await assertFails(b.self.call('writer.freeze', { migration, images: ['web'] }));
  assert.is((await show(b)).role, 'writer');
});

test('the pull makes the image independent; then A may be gone', async () => {
  await b.controller.call('pull.set', { image: 'web', rateBytesPerSecond: 100_000_000 });
  await until('all of it is there', async () => (await show(b)).dependsOn.length === 0);
  await a.stop('SIGKILL');
  await b.io('read -P 0x33 10248k 56k');
  const closing = await b.controller.call('image.close', { image: 'web', layer: LAYER, epoch: 4 });
  assert.is(closing.epoch, 4);
});

test.run();
