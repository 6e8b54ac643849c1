// Close-to-open (promise S7) between real daemons under a real catalogue, with qemu-io as the client: an open that begins
// after the answer to a close sees that state, wherever it is; one that comes too early, or with an older state, is refused.
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { catalogueCalls } from '../../blockd/catalogue/catalogue-calls.ts';
import { LevelStore } from '../../blockd/catalogue/level-store.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import { refusal } from '../refusal.ts';
import { context } from '../unit/blockd/catalogue-entries.ts';
import type { BlockdNode } from './blockd-node.ts';
import { BlockdNodes, EMPTY } from './blockd-nodes.ts';

const BYTES = 16 * 2 ** 20;
const LAYER = 'l00000000000000aa';
/** An open waits for the store that closed the image; a test gives it up. */
const GIVEN_UP_MS = 3_000;

let nodes: BlockdNodes;
let store: LevelStore;
let catalogue: ReturnType<typeof catalogueCalls>;
let a: BlockdNode;
let b: BlockdNode;

test.before(async () => {
  nodes = await BlockdNodes.start([
    { name: 'a', address: '127.0.0.61' },
    { name: 'b', address: '127.0.0.62' },
  ]);
  [a, b] = [nodes.node('a'), nodes.node('b')];
  store = await LevelStore.open(join(nodes.root, 'heads'));
  catalogue = catalogueCalls(store);
});

test.after(async () => {
  await store.close();
  await nodes.stop();
});

function grant(node: BlockdNode): Promise<Head> {
  return Promise.resolve(catalogue['epoch.open']({ image: 'web', node: node.name }, context));
}

/** Opens as the head says. */
async function openAs(
  { bytes, stack, epoch, last, holder }: Head,
  node: BlockdNode,
  timeoutMs?: number,
): Promise<void> {
  const from = holder === a.name ? a.endpoint : b.endpoint;
  const order = { image: 'web', bytes, stack, epoch, last, from };
  await node.controller.call('image.open', order, timeoutMs === undefined ? {} : { timeoutMs });
}

function closeAt(node: BlockdNode, epoch: number): Promise<Closing> {
  return node.controller.call('image.close', { image: 'web', layer: LAYER, epoch });
}

async function record(node: BlockdNode, closing: Closing): Promise<void> {
  await catalogue['epoch.close']({ image: 'web', node: node.name, closing }, context);
}

test('what A wrote is not to be had at B before A has closed, and all of it is there after', async () => {
  await a.controller.call('image.create', { image: 'web', layer: LAYER, bytes: BYTES });
  const added = { image: 'web', layer: LAYER, bytes: BYTES, holder: 'a', closing: EMPTY };
  await catalogue['image.add'](added, context);
  const first = await grant(a);
  await openAs(first, a);
  await a.io('write -P 0x11 0 1M', 'write -P 0x12 2000000 1234', 'flush', 'write -P 0x13 4M 64k', 'write -z 0 8k');
  assert.is((await refusal(grant(b))).code, 'IMAGE_OPEN');
  assert.is((await refusal(closeAt(a, first.epoch + 1))).code, 'IMAGE_NOT_OPEN', 'of an epoch that it never had');
  const closed = await closeAt(a, first.epoch);
  assert.is((await refusal(grant(b))).code, 'IMAGE_OPEN', 'the close has not been answered yet');
  await record(a, closed);
  const second = await grant(b);
  assert.equal([second.last, second.holder], [closed, 'a']);
  await openAs(second, b);
  await b.io(
    ...['read -P 0 0 8k', 'read -P 0x11 8k 1016k', 'read -P 0x12 2000000 1234', 'read -P 0x13 4M 64k'],
    'read -P 0 8M 1M',
  );
});

test('a writer that was told nothing of the new one cannot come back with the old state', async () => {
  const old = { ...store.get('web').head, epoch: 1 };
  assert.is((await refusal(openAs(old, a))).code, 'EPOCH_ENDED');
  assert.is((await refusal(grant(a))).code, 'IMAGE_OPEN');
  const again = await closeAt(a, 1);
  assert.equal(again, store.get('web').head.last, 'it says again how its own epoch ended');
  assert.is(
    (await refusal(catalogue['epoch.close']({ image: 'web', node: 'a', closing: again }, context) as Promise<Head>))
      .code,
    'NOT_WRITER',
  );
});

test('a close that comes twice answers alike, and the next open sees the newest of both', async () => {
  await b.io('write -P 0x22 512k 100k', 'write -P 0x23 4100k 300', 'write -P 0x24 10M 4k');
  const closed = await closeAt(b, 2);
  assert.equal(await closeAt(b, 2), closed);
  await record(b, closed);
  await record(b, closed);
  await openAs(await grant(a), a);
  await a.io(
    ...['read -P 0 0 8k', 'read -P 0x11 8k 504k', 'read -P 0x22 512k 100k', 'read -P 0x11 612k 412k'],
    ...['read -P 0x13 4M 4k', 'read -P 0x23 4100k 300', 'read -P 0x24 10M 4k'],
  );
  await record(a, await closeAt(a, 3));
});

test('who closed it is away: the open waits, and never takes an older state', async () => {
  await openAs(await grant(b), b);
  await b.io('write -P 0x33 0 64k');
  await record(b, await closeAt(b, 4));
  await b.stop('SIGKILL');
  const head = await grant(a);
  const early = await openAs(head, a, GIVEN_UP_MS).then(
    () => 'opened',
    () => 'given up',
  );
  assert.is(early, 'given up');
  await b.start();
  await openAs(head, a);
  await a.io('read -P 0x33 0 64k', 'read -P 0x22 512k 100k');
});

test.run();
