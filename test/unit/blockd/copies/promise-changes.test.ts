// An answer to a flush means no more than is so, whatever becomes of the policy: `forming` is shown until all that was answered
// is on as many stores (SOUNDNESS A13).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CallContext } from '../../../../common/rpc/server.ts';
import { isSettled } from '../manual-clock.ts';
import { CopyStores, contentAfter, flushed, LOST, NODES, type Node, SYNC, written } from './copy-stores.ts';

const { signal } = new AbortController();
const CONTEXT: CallContext<never> = { peer: { node: 'k', role: 'controller' }, progress: () => undefined, signal };
const CLOUD = { ...SYNC, scope: 'cloud' } as const;
const THREE = { ...SYNC, copies: 3 } as const;
const MINUTE_MS = 60_000;

/** The image at a with its copies: 7 is flushed, and is on all of them. */
async function copied(policy: typeof SYNC | typeof CLOUD | typeof THREE, nodes: readonly Node[] = NODES) {
  const stores = await CopyStores.make(nodes);
  const members = nodes.map((node) => ({ node, address: '127.0.0.1', cloud: node === 'c' ? 'two' : 'one' }));
  if (policy.scope === 'cloud') for (const node of nodes) await stores.calls(node)['members.set']({ members }, CONTEXT);
  await stores.openAtA(policy);
  await written(stores, 0, 7);
  await flushed(stores);
  assert.is(isForming(stores), false);
  return stores;
}

function isForming(stores: CopyStores): boolean | undefined {
  return stores.shelf('a').get('web').copies.show().copies?.forming;
}

async function firstAt(stores: CopyStores, node: Node): Promise<number | undefined> {
  return (await contentAfter(stores.disk(node), LOST))[0];
}

test('what was answered under another scope is on none of the copies of before', async () => {
  const stores = await copied(CLOUD);
  stores.away.add('c');
  await stores.setPolicy(SYNC);
  await stores.clock.advance(10_000);
  assert.is(isForming(stores), true);
  await written(stores, 0, 9);
  await flushed(stores);
  stores.away.add('b');
  await stores.setPolicy(CLOUD);
  await stores.clock.advance(MINUTE_MS);
  assert.is(await firstAt(stores, 'b'), 7);
  assert.is(isForming(stores), true);
  stores.away.delete('b');
  await stores.clock.advance(MINUTE_MS);
  assert.is(isForming(stores), false);
  assert.is(await firstAt(stores, 'b'), 9);
});

test('what was answered under two copies is not on three', async () => {
  const stores = await copied(THREE);
  await stores.setPolicy(SYNC);
  stores.away.add('c');
  await written(stores, 0, 9);
  await flushed(stores);
  await stores.setPolicy(THREE);
  await stores.clock.advance(MINUTE_MS);
  assert.is(isForming(stores), true);
  const flush = flushed(stores);
  await stores.calm();
  assert.ok(await isSettled(flush), 'the third one forms, and nobody waits for it');
  stores.away.delete('c');
  await stores.clock.advance(MINUTE_MS);
  assert.is(isForming(stores), false);
  assert.is(await firstAt(stores, 'c'), 9);
});

test('what was answered while the word of the first copy was on its way is not there yet', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  stores.hold('a', 'b');
  stores.hold('b', 'a');
  await stores.openAtA(SYNC);
  await written(stores, 0, 7);
  await flushed(stores);
  // One piece from either after the other, until b has it and a has not heard so.
  for (let turn = 0; turn < 10 && (await firstAt(stores, 'b')) !== 7; turn++) {
    await stores.release('b', 'a');
    stores.hold('b', 'a');
    await stores.release('a', 'b');
    stores.hold('a', 'b');
  }
  assert.is(await firstAt(stores, 'b'), 7);
  await written(stores, 0, 9);
  await flushed(stores);
  await stores.release('b', 'a');
  assert.is(isForming(stores), true);
  await stores.release('a', 'b');
  await stores.clock.advance(1_000);
  assert.is(isForming(stores), false);
  assert.is(await firstAt(stores, 'b'), 9);
});

test('that an answer means one copy again is noted later where a full disk did not take it', async () => {
  const stores = await copied(SYNC, ['a', 'b']);
  const { store } = stores.image('a');
  const { commit } = store;
  store.commit = (change) =>
    change.state?.copies === undefined ? commit.call(store, change) : Promise.reject(new Error('ENOSPC'));
  await stores.setPolicy({ mode: 'on-demand' });
  store.commit = commit;
  stores.away.add('b');
  await written(stores, 0, 9);
  await flushed(stores);
  await stores.clock.advance(2_000);
  assert.is(store.state.copies, null);
  await stores.setPolicy(SYNC);
  await stores.clock.advance(MINUTE_MS);
  assert.is(isForming(stores), true);
});

test.run();
