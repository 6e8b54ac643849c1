// Stores that let go of the same copies at once: one keeps each block, and the others do let go.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { CachedStores, held, LAYER } from './cached-stores.ts';
import { settle } from './manual-clock.ts';

const LOOK_MS = 10_000;

async function two(blocks: readonly number[], sizeBlocks?: number): Promise<CachedStores> {
  const stores = new CachedStores(sizeBlocks);
  await stores.add('a', blocks);
  await stores.add('b', blocks);
  return stores;
}

test('of stores that all let go at once at least one keeps each block, in whatever order their messages come', async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed);
    const stores = await two([1, 2], 4);
    await stores.add('c', [1, 2]);
    const waiting: (() => void)[] = [];
    stores.delay = () => new Promise((resolve) => waiting.push(resolve));
    const caps = ['a', 'b', 'c'].map((name) => stores.cap(name, 0));
    for (const cap of caps) cap.start();
    await stores.clock.advance(LOOK_MS);
    for (let step = 0; step < 40; step++) {
      waiting.splice(Math.floor(random() * waiting.length), 1)[0]?.();
      await stores.clock.advance(random() < 0.3 ? 60 : 0);
    }
    for (const cap of caps) cap.stop();
    const kept = new Set([...stores.nodes.values()].flatMap(held));
    assert.equal(
      [...kept].sort((one, other) => one - other),
      [1, 2],
      `seed ${seed}`,
    );
  }
});

/** A store lets block 5 go if the other promises to keep it; answers how many bytes went. */
function letGo(stores: CachedStores, name: string, other: string): Promise<number> {
  const { copies } = stores.node(name).store;
  return copies.leaving({ first: 0, end: 1024 }, name, async () => {
    const kept = await stores.askOf(name)(other, {
      layer: LAYER,
      runs: [{ first: 5, count: 1, high: 256, low: 1 }],
      flushed: false,
      epoch: 1,
    });
    return copies.letGo(kept ?? [], other);
  });
}

test('of two that let the same go at once the first by name does, and the other keeps it', async () => {
  const stores = await two([5]);
  assert.equal(await Promise.all([letGo(stores, 'b', 'a'), letGo(stores, 'a', 'b')]), [0, BLOCK_BYTES]);
  assert.equal([held(stores.node('a')), held(stores.node('b'))], [[], [5]]);
});

test('what a store keeps for the first by name it keeps, though the first had promised the same before', async () => {
  const stores = await two([5]);
  const answer = Promise.withResolvers<void>();
  stores.delay = (node) => (node === 'a' ? answer.promise : Promise.resolve());
  const late = letGo(stores, 'b', 'a');
  await settle();
  assert.is(await letGo(stores, 'a', 'b'), BLOCK_BYTES);
  answer.resolve();
  assert.is(await late, 0);
  assert.equal([held(stores.node('a')), held(stores.node('b'))], [[], [5]]);
});

test.run();
