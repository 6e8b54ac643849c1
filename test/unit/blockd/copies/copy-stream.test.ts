// What a copy hears when its writer comes back to it, and what a stand-by beside a copy hears.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type PeerFrame, PeerFrameReader } from '../../../../blockd/peer/peer-frame.ts';
import { DATA, readRuns } from '../../../../blockd/table/version-run.ts';
import {
  ALONE,
  BLOCKS,
  BYTES,
  CopyStores,
  contentAfter,
  flushed,
  LAYER,
  LOST,
  type Node,
  SYNC,
  written,
} from './copy-stores.ts';

const NOTED_MS = 11_000;

/** All frames of copies that a node says from now on. */
function listen(stores: CopyStores, node: string): PeerFrame[] {
  const frames: PeerFrame[] = [];
  const reader = new PeerFrameReader();
  stores.tamper = (bytes, from) => {
    // Each is written at once, and runs are only valid during the call.
    if (from === node) reader.receive(bytes, (frame) => frames.push(structuredClone(frame)));
    return bytes;
  };
  return frames;
}

function toldBlocks(frames: readonly PeerFrame[]): number {
  return frames
    .filter((frame) => frame.type === 'entries')
    .flatMap(({ runs }) => Array.from(readRuns(Buffer.from(runs)), ({ count }) => count))
    .reduce((sum, count) => sum + count, 0);
}

/** An image that is all written, and whose copy at b has noted that it has it. */
async function copied(nodes: readonly Node[] = ['a', 'b']): Promise<CopyStores> {
  const stores = await CopyStores.make(nodes);
  await stores.openAtA(SYNC);
  for (let block = 0; block < BLOCKS; block++) await written(stores, block, block + 1);
  await flushed(stores);
  await stores.clock.advance(NOTED_MS);
  await written(stores, 0, 100);
  await flushed(stores);
  return stores;
}

test('a restarted copy hears only what changed since it had everything', async () => {
  const stores = await copied();
  await written(stores, 3, 101);
  stores.kill('b');
  const told = listen(stores, 'a');
  await stores.start('b', stores.disk('b').afterCut(LOST));
  const flush = flushed(stores);
  await stores.clock.advance(5_000);
  await flush;
  assert.is(toldBlocks(told), 1);
  assert.ok(told.some((frame) => frame.type === 'begin' && !frame.whole));
  const there = await contentAfter(stores.disk('b'), LOST);
  assert.equal([there[0], there[3], there[15]], [100, 101, 16]);
});

test('where its table turns out to differ it hears the whole, once', async () => {
  const stores = await copied();
  stores.kill('b');
  await stores.start('b', stores.disk('b').afterCut(LOST));
  const [layer] = stores.shelf('b').layers.all;
  const other = { first: 7, count: 1, high: 1, low: 1, flags: DATA, holder: 0, sumAt: () => 1 };
  layer?.store.table.learn(other, 0);
  const told = listen(stores, 'a');
  await stores.clock.advance(10_000);
  await flushed(stores);
  const begun = told.flatMap((frame) => (frame.type === 'begin' ? [frame.whole] : []));
  assert.equal(begun, [false, true]);
  assert.is((await contentAfter(stores.disk('b'), LOST))[7], 8);
});

test('a stand-by beside a copy is told what its propagation learnt', async () => {
  const stores = await copied();
  const host = await stores.shelf('b').ensure({ image: 'web', bytes: BYTES, stack: ALONE, epoch: 2 });
  const migration = '00000000000000aa';
  const { signal } = new AbortController();
  const told = listen(stores, 'a');
  await host.standBy({ migration, epoch: 2, from: { node: 'a', address: '127.0.0.1' } }, signal);
  await host.ready(signal);
  await stores.clock.advance(3_000);
  assert.ok(told.some((frame) => frame.type === 'memory'));
  assert.ok(told.some((frame) => frame.type === 'heat'));
  const closing = await stores.image('a').freeze(migration);
  await stores.calm();
  assert.is(await host.verify(closing, signal), '');
  await host.activate(migration);
  assert.ok(stores.shelf('b').propagation.memoryOf('web') !== undefined);
});

test('an image that is closed and opened elsewhere takes along what was learnt', async () => {
  const stores = await copied(['a', 'b', 'c']);
  const shelf = stores.shelf('a');
  await stores.clock.advance(3_000);
  const last = await shelf.endEpoch('web', LAYER, 1);
  await stores.open('c', ALONE, 2, last, SYNC);
  const { propagation } = stores.shelf('c');
  assert.equal(propagation.memoryOf('web')?.tuner, shelf.propagation.memoryOf('web')?.tuner);
  assert.ok(shelf.propagation.memoryOf('web') !== undefined);
});

test('a store of an image whose policy wants copies follows nobody ahead: names alone would hide what was flushed', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  const context = { peer: { node: 'k', role: 'controller' }, progress: () => undefined, signal: NEVER } as const;
  await stores.openAtA({ mode: 'on-demand' });
  const keep = async (serial: number, copies: number[]): Promise<unknown> => {
    const mark = { incarnation: 1, serial };
    const told = copies.map((count) => ({ layer: LAYER, copies: count }));
    await stores.calls('b')['records.keep']({ mark, pins: [], copies: told, records: [] }, context);
    const from = { node: 'a', address: '127.0.0.1' };
    await stores.calls('b')['replica.follow']({ image: 'web', bytes: BYTES, stack: ALONE, epoch: 1, from }, context);
    return stores.shelf('b').find('web')?.name;
  };
  assert.is(await keep(1, [2]), undefined);
  assert.is(await keep(2, []), 'web');
});

const NEVER = new AbortController().signal;

test.run();
