// What two real daemons tell of an image that moves between them, with qemu-io as the guest: hits, misses, and bytes by
// the other node and by cause, the same at both ends.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BlockMetrics } from '../../wire/contracts/metrics.ts';
import { until } from '../until.ts';
import type { BlockdNode } from './blockd-node.ts';
import { BlockdNodes, moveImage, openNew } from './blockd-nodes.ts';

const BYTES = 64 * 2 ** 20;
const KNOWN = { bytes: BYTES, stack: { layer: 'l00000000000000aa', generation: 1, below: [] } };

let nodes: BlockdNodes;
let a: BlockdNode;
let b: BlockdNode;

test.before(async () => {
  nodes = await BlockdNodes.start([
    { name: 'a', address: '127.0.0.41', cloud: 'alpha' },
    { name: 'b', address: '127.0.0.42', cloud: 'beta' },
  ]);
  [a, b] = [nodes.node('a'), nodes.node('b')];
  await openNew(a, KNOWN);
});

test.after(() => nodes?.stop());

async function metricsOf(node: BlockdNode): Promise<BlockMetrics> {
  const { images, all } = await node.self.call('store.metrics', {});
  assert.equal(
    images.map(({ image }) => image),
    ['web'],
  );
  assert.equal(images[0]?.metrics.traffic, all.traffic, 'one image has all layers');
  return all;
}

const bytesOf = ({ traffic }: BlockMetrics, peer: string, cause: string): [bytesIn: number, bytesOut: number] => {
  const meter = traffic.find((one) => one.peer === peer && one.cause === cause);
  return [meter?.bytesIn ?? 0, meter?.bytesOut ?? 0];
};

test('reads of what came count as misses once and as hits from then on; both ends count the same bytes', async () => {
  await a.io('write -P 0x11 0 1M', 'flush');
  await moveImage(a, b, KNOWN, { migration: 'a000000000000001', epoch: 2 });
  const before = await metricsOf(b);
  await b.io('read -P 0x11 0 64k', 'read -P 0x11 512k 4k');
  const missed = await metricsOf(b);
  await b.io('read -P 0x11 0 64k', 'read -P 0x11 0 64k');
  const hit = await metricsOf(b);
  assert.is(missed.misses - before.misses, 2);
  assert.is(hit.misses, missed.misses);
  // qemu-io itself may look at the image's beginning.
  assert.ok(hit.hits - missed.hits >= 2);
  const fetches = hit.fetchTime.counts.reduce((sum, count) => sum + count, 0);
  assert.is(fetches, hit.misses);
  assert.ok(hit.fetchedOnDemandBlocks >= 17);
  assert.is(hit.queuedBlocks, 0);
  const served = await metricsOf(a);
  const [fetchedIn, askedOut] = bytesOf(hit, 'a', 'demand');
  // What was asked for came in on its streams: blocks and the table.
  assert.equal(bytesOf(served, 'b', 'served'), [askedOut + bytesOf(hit, 'a', 'table')[1], fetchedIn]);
  assert.is(bytesOf(served, 'b', 'table')[1], bytesOf(hit, 'a', 'table')[0]);
  assert.ok(fetchedIn >= 17 * 4096 && fetchedIn < 17 * 4096 + 1_000, `${fetchedIn} bytes`);
  assert.ok(bytesOf(hit, 'a', 'table')[0] > 0);
  assert.is(bytesOf(hit, 'a', 'background')[0], 0);
});

test('the writer says where the image was read and written, by cells', async () => {
  // Settings and members are looked at once a second.
  await until(
    'its heat is known',
    async () => (await b.controller.call('image.heat', { image: 'web', cells: 16 })).heat !== null,
  );
  await b.io('write -P 0x22 32M 256k', 'flush', 'read -P 0x22 32M 256k', 'read -P 0x11 0 4k');
  const { heat } = await b.controller.call('image.heat', { image: 'web', cells: 16 });
  assert.is(heat?.cellBlocks, BYTES / 4096 / 16);
  assert.ok(Math.abs((heat?.writes[8] ?? 0) - 64) <= 6, `${heat?.writes[8]} writes in the cell of 32 MiB`);
  assert.is(heat?.writes[0], 0);
  assert.ok((heat?.reads[0] ?? 0) >= 0.9);
  assert.equal([heat?.reads[4], heat?.writes[15]], [0, 0]);
  assert.equal(await a.controller.call('image.heat', { image: 'web', cells: 16 }), { heat: null });
});

test('the pull counts apart from what a guest waits for', async () => {
  const before = await metricsOf(b);
  await b.controller.call('pull.set', { image: 'web', rateBytesPerSecond: 100_000_000 });
  await until(
    'all of it is there',
    async () => (await b.controller.call('image.show', { image: 'web' })).dependsOn.length === 0,
  );
  const after = await metricsOf(b);
  assert.equal(bytesOf(after, 'a', 'demand'), bytesOf(before, 'a', 'demand'));
  assert.is(after.misses, before.misses);
  assert.is(after.fetchedInBackgroundBlocks, 256 - 17);
  assert.ok(bytesOf(after, 'a', 'background')[0] > (256 - 17) * 4096);
});

test.run();
