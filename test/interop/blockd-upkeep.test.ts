// Two real daemons and their disks: rot in a copy is found by a scrub that was asked for and healed from the other, and a
// copy beyond the cap is let go of, its room given back, and fetched again. A second daemon on one's state is none.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ScrubReport, StoreImage } from '../../wire/contracts/blockd.ts';
import { until } from '../until.ts';
import type { BlockdNode } from './blockd-node.ts';
import { BlockdNodes, moveImage, openNew } from './blockd-nodes.ts';

const MAIN = fileURLToPath(new URL('../../blockd/main.ts', import.meta.url));
const MIB = 2 ** 20;
const BYTES = 64 * MIB;
const WRITTEN = 8 * MIB;
const LAYER = 'l00000000000000aa';
const KNOWN = { bytes: BYTES, stack: { layer: LAYER, generation: 1, below: [] } };
const MOVE = 'a000000000000001';
const BACK = 'a000000000000002';
const LOOKS_MS = 60_000;

let nodes: BlockdNodes;
let a: BlockdNode;
let b: BlockdNode;

test.before(async () => {
  nodes = await BlockdNodes.start([
    { name: 'a', address: '127.0.0.1' },
    { name: 'b', address: '127.0.0.2', config: { cacheCapBytes: WRITTEN } },
  ]);
  [a, b] = [nodes.node('a'), nodes.node('b')];
});

test.after(() => nodes?.stop());

function show(node: BlockdNode): Promise<StoreImage> {
  return node.controller.call('image.show', { image: 'web' });
}

function scrub(node: BlockdNode): Promise<ScrubReport> {
  return node.controller.call('image.scrub', { image: 'web' }, { onProgress: () => undefined });
}

function dataPath(node: BlockdNode): string {
  return join(node.directory, 'state', 'layers', `${LAYER}.data`);
}

async function roomOf(node: BlockdNode): Promise<number> {
  return (await stat(dataPath(node))).blocks * 512;
}

test('a scrub finds rot in a copy of an open image, and heals it from the other node', async () => {
  await openNew(a, KNOWN);
  await a.io(`write -P 0x11 0 ${WRITTEN}`, 'flush');
  await moveImage(a, b, KNOWN, { migration: MOVE, epoch: 2 });
  await b.io(`read -P 0x11 0 ${WRITTEN}`);
  await b.stop('SIGTERM');
  const file = await open(dataPath(b), 'r+');
  await file.write(Buffer.from([0x12]), 0, 1, 3 * MIB + 77);
  await file.close();
  await b.start();
  assert.is((await show(b)).scrubbedAtMs, null);
  const report = await scrub(b);
  const found = { rottenBlocks: 1, healedBlocks: 1, lostBlocks: 0, waitingBlocks: 0 };
  assert.equal(report, { checkedBlocks: 2048, unreadBlocks: 0, ...found });
  await b.io(`read -P 0x11 0 ${WRITTEN}`);
  assert.ok(Date.now() - ((await show(b)).scrubbedAtMs ?? 0) < LOOKS_MS);
  assert.is((await scrub(b)).rottenBlocks, 0);
});

test('a second daemon on the state of one that runs touches nothing of it', async () => {
  const words = [...process.execArgv, MAIN, '--config', join(b.directory, 'config.json')];
  const second = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  second.stderr.on('data', (text: Buffer) => {
    said += text.toString();
  });
  const [code] = await once(second, 'close');
  assert.is(code, 1);
  assert.match(said, 'STATE_IN_USE');
  await b.io(`read -P 0x11 0 ${WRITTEN}`);
});

test('a copy beyond the cap is let go of, and fetched again when the image comes back', async () => {
  assert.ok((await roomOf(a)) >= WRITTEN);
  await a.controller.call('cache.set', { capBytes: MIB });
  await until('it has let go of blocks', async () => (await show(a)).localBlocks * 4096 <= MIB);
  await until('their room is given back', async () => (await roomOf(a)) <= 2 * MIB);
  const shown = await show(a);
  assert.ok(shown.counters.evictedBlocks >= 2048 - 256);
  assert.is(shown.dependsOn[0]?.node, 'b');
  assert.is((await show(b)).localBlocks, 2048, 'the writer has all of it');
  await b.io('write -P 0x22 1M 64k', 'flush');
  await moveImage(b, a, KNOWN, { migration: BACK, epoch: 3 });
  await a.io('read -P 0x11 0 1M', 'read -P 0x22 1M 64k', `read -P 0x11 1088k ${WRITTEN - 1088 * 1024}`);
});

test('a cap that is set while the daemon runs is kept to at once, and over a restart', async () => {
  const before = await b.controller.call('cache.show', {});
  assert.equal([before.capBytes, before.cachedBytes], [WRITTEN, WRITTEN]);
  assert.ok(before.freeBytes > 0 && before.freeBytes <= before.totalBytes);
  assert.is((await b.controller.call('cache.set', { capBytes: MIB })).capBytes, MIB);
  await until(
    'the cache is within its cap',
    async () => (await b.controller.call('cache.show', {})).cachedBytes <= MIB,
  );
  assert.ok((await show(b)).localBlocks * 4096 <= MIB);
  await b.stop('SIGKILL');
  await b.start();
  assert.is((await b.self.call('cache.show', {})).capBytes, MIB);
  await a.io('read -P 0x11 0 1M', 'read -P 0x22 1M 64k', `read -P 0x11 1088k ${WRITTEN - 1088 * 1024}`);
});

test.run();
