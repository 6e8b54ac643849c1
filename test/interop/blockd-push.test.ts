// Blocks that are pushed ahead between real daemons, with qemu-io as the guest: what is there before the image moves, what
// caps and lost places do, and settings that change meanwhile.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Result } from '../../wire/contract.ts';
import type { blockdContract, StoreImage } from '../../wire/contracts/blockd.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import { until } from '../until.ts';
import type { BlockdNode } from './blockd-node.ts';
import { BlockdNodes, moveImage, openNew } from './blockd-nodes.ts';

const MIB = 2 ** 20;
const BYTES = 64 * MIB;
const BLOCK_BYTES = 4_096;
const LAYER = 'l00000000000000aa';
const STACK = { layer: LAYER, generation: 1, below: [] };
const KNOWN = { image: 'web', bytes: BYTES, stack: STACK };
/** Everything goes, read or not, most of it to b. */
const PROACTIVE: PropagationSettings = {
  ...{ policy: { mode: 'proactive' }, k: 1_000, s: 0, rateBytesPerSecond: null, money: null },
  ...{ prices: [], snapshots: null },
  transitions: [{ from: 'a', to: 'b', probability: 1 }],
};
const ON_DEMAND: PropagationSettings = { ...PROACTIVE, policy: { mode: 'on-demand' } };

interface Stand {
  readonly nodes: BlockdNodes;
  readonly a: BlockdNode;
  readonly b: BlockdNode;
  readonly c: BlockdNode;
}

const test = suite<Stand>('blocks pushed ahead');

test.before.each(async (context) => {
  const nodes = await BlockdNodes.start([
    { name: 'a', address: '127.0.0.1' },
    { name: 'b', address: '127.0.0.2' },
    { name: 'c', address: '127.0.0.3' },
  ]);
  Object.assign(context, { nodes, a: nodes.node('a'), b: nodes.node('b'), c: nodes.node('c') });
});

test.after.each(({ nodes }) => nodes.stop());

const show = (node: BlockdNode): Promise<StoreImage> => node.controller.call('image.show', { image: 'web' });

type Status = NonNullable<Result<typeof blockdContract, 'propagation.show'>['status']>;

async function status({ controller }: BlockdNode): Promise<Status> {
  const { status: said } = await controller.call('propagation.show', { image: 'web' });
  if (said === null) throw new Error('the image is not written there');
  return said;
}

/** 8 MiB that were written in an earlier epoch, so that no block waits for a sweep; b follows. */
async function written({ a, b }: Stand, settings: PropagationSettings): Promise<void> {
  await openNew(a, KNOWN);
  await a.io('write -P 0x11 0 8M', 'flush');
  const last = await a.controller.call('image.close', { image: 'web', layer: LAYER, epoch: 1 });
  await a.controller.call('image.open', { ...KNOWN, epoch: 2, last, from: a.endpoint, propagation: settings });
  await b.controller.call('replica.follow', { ...KNOWN, epoch: 2, from: a.endpoint });
}

const set = ({ controller }: BlockdNode, settings: PropagationSettings): Promise<unknown> =>
  controller.call('propagation.set', { image: 'web', settings });

const pushedTo = async (node: BlockdNode): Promise<number> => (await show(node)).counters.pushedHereBlocks;

test('what was pushed ahead is there when the image moves: nothing is fetched', async (stand) => {
  const { a, b } = stand;
  await written(stand, PROACTIVE);
  await a.io('read -P 0x11 0 8M');
  await until('all is at b', async () => (await pushedTo(b)) === 2_048);
  await until('a has heard so', async () => (await status(a)).counters.pushedBlocks === 2_048);
  const beforeHold = (): Promise<unknown> => a.io('write -P 0x22 1M 64k');
  await moveImage(a, b, KNOWN, { migration: 'a000000000000001', epoch: 3, beforeHold });
  await b.io('read -P 0x11 0 1M', 'read -P 0x22 1M 64k', 'read -P 0x11 2M 6M');
  // What was written last may have come by the announcement or on demand, never more.
  const { fetchedOnDemandBlocks } = (await show(b)).counters;
  assert.ok(fetchedOnDemandBlocks <= 16, `${fetchedOnDemandBlocks} were fetched on demand`);
  await until('b has seen of what use it was', async () => (await status(b)).counters.usefulBlocks >= 1_024 + 768);
});

test('a rate is kept to, and a changed one counts at once', async (stand) => {
  const { a, b } = stand;
  const rateBytesPerSecond = 250_000;
  const beganMs = performance.now();
  await written(stand, { ...PROACTIVE, rateBytesPerSecond });
  await a.io('read -P 0x11 0 8M');
  await until('some are at b', async () => (await pushedTo(b)) > 0);
  const { offeredBlocks } = (await status(a)).counters;
  // What it may have sent by the time of that answer, its burst and the last run included; a slow machine has only less.
  const most = ((performance.now() - beganMs) / 1_000 + 0.2) * rateBytesPerSecond + 64 * BLOCK_BYTES;
  assert.ok(offeredBlocks * BLOCK_BYTES <= most + rateBytesPerSecond, `${offeredBlocks} blocks were offered`);
  assert.ok(offeredBlocks < 2_048);
  await set(a, PROACTIVE);
  await until('all is at b', async () => (await pushedTo(b)) === 2_048);
});

test('money ends it: what was spent stays within the budget, to the byte', async (stand) => {
  const { a, b } = stand;
  // 1 MiB, in runs of 64 blocks.
  const money = { budget: MIB / 1e9, windowSeconds: 86_400 };
  const prices = [{ from: 'a', to: 'b', perGb: 1 }];
  await written(stand, { ...PROACTIVE, money, prices });
  await a.io('read -P 0x11 0 8M');
  await until('the budget is spent', async () => (await status(a)).paused === 'money');
  await until(
    'what was paid for is at b',
    async () => (await pushedTo(b)) === (await status(a)).counters.offeredBlocks,
  );
  const { counters, spent } = await status(a);
  assert.is(counters.offeredBlocks * BLOCK_BYTES, MIB);
  assert.ok(spent <= money.budget);
});

test('on demand nothing is pushed; set while the image is written, it begins, and it ends so', async (stand) => {
  const { a, b } = stand;
  await written(stand, ON_DEMAND);
  await a.io('read -P 0x11 0 4M');
  assert.equal((await status(a)).destinations, []);
  await set(a, PROACTIVE);
  await until('what was read is at b', async () => (await pushedTo(b)) >= 1_024);
  await set(a, ON_DEMAND);
  await until('it has heard so', async () => (await status(a)).destinations.length === 0);
  // A daemon that restarts goes on as it was told.
  await a.stop('SIGKILL');
  await a.start();
  const { settings } = await a.controller.call('propagation.show', { image: 'web' });
  assert.equal(settings, ON_DEMAND);
});

test('a place that is lost during its pushes costs the guest nothing, and another takes over', async (stand) => {
  const { a, b, c } = stand;
  const transitions = ['b', 'c'].map((to) => ({ from: 'a', to, probability: 0.5 }));
  await written(stand, { ...PROACTIVE, transitions, rateBytesPerSecond: 500_000 });
  await c.controller.call('replica.follow', { ...KNOWN, epoch: 2, from: a.endpoint });
  await a.io('read -P 0x11 0 8M');
  await until('some are at b', async () => (await pushedTo(b)) > 0);
  await b.stop('SIGKILL');
  await a.io('write -P 0x33 20M 1M', 'flush', 'read -P 0x11 0 8M', 'read -P 0x33 20M 1M');
  await set(a, { ...PROACTIVE, transitions });
  await until('all that was read is at c', async () => (await pushedTo(c)) >= 2_048);
  const follows = Object.fromEntries((await status(a)).destinations.map((one) => [one.node, one.follows]));
  assert.equal(follows, { b: false, c: true });
  await b.start();
  await b.controller.call('replica.follow', { ...KNOWN, epoch: 2, from: a.endpoint });
  await until('b takes the rest', async () => (await pushedTo(b)) > 0);
});

test.run();
