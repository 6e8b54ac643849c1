// Blocks that are pushed ahead between whole stores: to replicas that follow, of every layer, and never what the image
// has not got any more.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import { DEFAULT_SETTINGS } from '../../../blockd/propagation/default-settings.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import type { CallContext } from '../../../common/rpc/server.ts';
import type { Stack } from '../../../wire/contracts/layers.ts';
import type { PropagationSettings } from '../../../wire/contracts/propagation.ts';
import { refusal } from '../../refusal.ts';
import { ALONE, BYTES, cutAt, openAtA, type Stores } from './stores-between.ts';

const TO_B = [{ from: 'cloud-a', to: 'cloud-b', probability: 1 }];
const PROACTIVE: PropagationSettings = { ...DEFAULT_SETTINGS, policy: { mode: 'proactive' }, transitions: TO_B };
/** By then there was a sweep, and what it found was pushed. */
const SWEPT_MS = 85_000;
const FROM_A = { node: 'a', address: '127.0.0.1' };
const MIGRATION = '00000000000000aa';
const context: CallContext<never> = {
  peer: { node: 'k', role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
};

/** The image open at a, where it is pushed to b, which follows. */
async function followed(stack: Stack = ALONE): Promise<Stores> {
  const stores = await openAtA();
  await stores.at('a').propagation.set('web', PROACTIVE);
  await follow(stores, stack);
  return stores;
}

async function follow(stores: Stores, stack: Stack, epoch = 1): Promise<void> {
  const known = { image: 'web', bytes: BYTES, stack, epoch, from: FROM_A };
  await blockCalls(stores.at('b'))['replica.follow'](known, context);
  await stores.clock.advance(5_000);
}

/** What is worth a push. */
async function use(stores: Stores, block: number, fill: number): Promise<void> {
  await stores.write('a', block, fill);
  for (let time = 0; time < 3; time++) await stores.read('a', block);
}

const countersAt = (stores: Stores, node: 'a' | 'b') => stores.at(node).get('web').show().counters;

test('what is read and written at the writer is at the replica before anybody asks for it', async () => {
  const stores = await followed();
  await use(stores, 0, 7);
  await use(stores, 5, 8);
  await stores.write('a', 9, 9);
  await stores.clock.advance(SWEPT_MS);
  const b = stores.at('b').get('web');
  assert.is(countersAt(stores, 'b').pushedHereBlocks, 2);
  assert.is(b.image.store.state.role, 'replica');
  const { counters, destinations } = stores.at('a').get('web').propagation.status() ?? {};
  assert.equal([counters?.offeredBlocks, counters?.pushedBlocks, counters?.failedBlocks], [2, 2, 0]);
  assert.equal(
    destinations?.map(({ node, follows }) => [node, follows]),
    [['b', true]],
  );
  const last = stores.at('a').get('web').image.closing();
  await stores.at('a').endEpoch('web', ALONE.layer, 1);
  await stores.open('b', { stack: ALONE, epoch: 2, last, from: 'a' });
  assert.equal([await stores.read('b', 0), await stores.read('b', 5)], [7, 8]);
  assert.is(countersAt(stores, 'b').fetchedOnDemandBlocks, 0);
});

test('what was overwritten goes again, in its newest version', async () => {
  const stores = await followed();
  await use(stores, 0, 7);
  await stores.clock.advance(SWEPT_MS);
  await use(stores, 0, 8);
  await stores.clock.advance(SWEPT_MS);
  assert.is(countersAt(stores, 'b').pushedHereBlocks, 2);
  const { table, file } = stores.at('b').get('web').image.store;
  const { high, low } = stores.at('a').get('web').image.store.table.versionOf(0);
  const read = Buffer.alloc(BLOCK_BYTES);
  assert.ok(table.equals(0, high, low) && file.read(read, 0));
  assert.is(read[0], 8);
});

test('a lost stream costs the guest nothing, and what was under way goes when it is back', async () => {
  const stores = await followed();
  stores.away.add('a');
  stores.breakStreams();
  await use(stores, 0, 7);
  await stores.clock.advance(SWEPT_MS);
  assert.is(stores.at('a').get('web').propagation.status()?.destinations[0]?.follows, false);
  assert.is(await stores.read('a', 0), 7);
  assert.is(countersAt(stores, 'b').pushedHereBlocks, 0);
  stores.away.delete('a');
  await stores.clock.advance(SWEPT_MS);
  assert.is(countersAt(stores, 'b').pushedHereBlocks, 1);
});

test('after a cut the replica follows the new top, and blocks of the layer below are pushed too', async () => {
  const stores = await followed();
  await stores.write('a', 3, 3);
  const stack = await cutAt(stores, 'a');
  await follow(stores, stack);
  for (let time = 0; time < 3; time++) await stores.read('a', 3);
  await use(stores, 4, 4);
  await stores.clock.advance(SWEPT_MS);
  assert.is(stores.at('b').layers.find(ALONE.layer)?.fetchedBlocks.pushed, 1);
  assert.is(stores.at('b').layers.find(stack.layer)?.fetchedBlocks.pushed, 1);
});

test('an announced migration takes all at once; called off, what was pushed stays', async () => {
  const stores = await followed();
  const calls = blockCalls(stores.at('b'));
  await calls['standby.start'](
    { migration: MIGRATION, image: 'web', bytes: BYTES, stack: ALONE, epoch: 2, from: FROM_A },
    context,
  );
  await stores.clock.advance(1_000);
  await use(stores, 0, 7);
  await stores.clock.advance(5_000);
  assert.is(countersAt(stores, 'b').pushedHereBlocks, 1);
  await calls['standby.cancel']({ migration: MIGRATION }, context);
  await follow(stores, ALONE);
  await use(stores, 1, 8);
  await stores.clock.advance(5_000);
  assert.is(countersAt(stores, 'b').pushedHereBlocks, 1, 'as before it waits for the sweep');
  await stores.clock.advance(SWEPT_MS);
  assert.is(countersAt(stores, 'b').pushedHereBlocks, 2);
});

test('what was pushed and is read after the move was useful, and the next place knows what was learnt', async () => {
  const stores = await followed();
  for (const block of [0, 1, 2]) await use(stores, block, 7);
  await stores.clock.advance(SWEPT_MS);
  await stores.write('a', 2, 8);
  const b = blockCalls(stores.at('b'));
  const a = blockCalls(stores.at('a'));
  const migration = MIGRATION;
  await b['standby.start'](
    { ...{ migration, image: 'web', bytes: BYTES, stack: ALONE, epoch: 2, from: FROM_A } },
    context,
  );
  await stores.clock.advance(2_000);
  const { closings } = await a['writer.freeze']({ migration, images: ['web'] }, context);
  const verified = b['standby.verify']({ migration, closings, timeoutMs: 5_000 }, context);
  await stores.clock.advance(100);
  assert.equal(await verified, { equal: true, reason: '' });
  await b['standby.activate']({ migration }, context);
  await a['writer.release']({ migration }, context);
  assert.equal([await stores.read('b', 0), await stores.read('b', 2)], [7, 8]);
  await stores.clock.advance(2_000);
  const { counters } = stores.at('b').get('web').propagation.status() ?? {};
  // Block 2 was pushed twice: before it was overwritten at a, and after the announcement.
  assert.equal([counters?.usefulBlocks, counters?.wastedBlocks, counters?.missedBlocks], [2, 1, 0]);
  assert.is(stores.at('a').get('web').propagation.status(), null);
  assert.equal(stores.at('b').propagation.memoryOf('web')?.moves, [{ from: 'a', to: 'b', count: 1 }]);
});

test('a word to follow never touches an image that is open, makes no layer that has left, and lapses', async () => {
  const stores = await followed();
  const calls = blockCalls(stores.at('a'));
  const known = { image: 'web', bytes: BYTES, stack: ALONE, epoch: 9, from: { node: 'c', address: '127.0.0.1' } };
  await calls['replica.follow'](known, context);
  assert.is(stores.at('a').get('web').image.store.state.role, 'writer');
  await stores.clock.advance(900_000);
  assert.is(stores.at('a').get('web').propagation.status()?.destinations[0]?.follows, false);
  const b = blockCalls(stores.at('b'));
  await b['layer.drop']({ layer: ALONE.layer }, context);
  const late = Promise.resolve(b['replica.follow']({ ...known, from: FROM_A }, context));
  assert.is((await refusal(late)).code, 'LAYER_GONE');
  assert.is(stores.at('b').find('web'), undefined);
});

test('an image that leaves while blocks are on their way to it takes none of them', async () => {
  const stores = await followed();
  await use(stores, 0, 7);
  const swept = stores.clock.advance(SWEPT_MS);
  await blockCalls(stores.at('b'))['layer.drop']({ layer: ALONE.layer }, context);
  await swept;
  assert.is(stores.at('a').get('web').propagation.status()?.counters.pushedBlocks, 0);
  assert.is(await stores.read('a', 0), 7);
});

test('a source of an epoch that is over is not believed', async () => {
  const stores = await followed();
  await stores.at('b').get('web').stop();
  const b = stores.at('b').get('web');
  b.followAhead('a', 5);
  await use(stores, 0, 7);
  await stores.clock.advance(SWEPT_MS);
  assert.is(countersAt(stores, 'b').pushedHereBlocks, 0);
});

test.run();
