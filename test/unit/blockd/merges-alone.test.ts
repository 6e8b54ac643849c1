// What a store merges when all others are lost: whatever it was told of their merges before, it makes the proven layers of what it
// has, and waits for nobody.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StillImage } from '../../../blockd/image/still-image.ts';
import type { MergeOrder } from '../../../blockd/layers/layer-merges.ts';
import { mergeTables, moveBlocks } from '../../../blockd/layers/merge-steps.ts';
import { sameTable } from '../../../blockd/peer/table-follower.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import type { SealedLayer } from '../../../wire/contracts/layers.ts';
import { layerName } from './layered-image.ts';
import { brought, movedImage, passing, twoMerges, wholeAtC } from './merge-stands.ts';
import { BLOCKS, MergingWorld } from './merging-world.ts';
import { BYTES } from './stores-between.ts';

/** So many turns after its begin a layer's table is told. */
const TOLD_TURNS = 40;
/** An image that no node has written yet. */
const CLONE = {
  image: 'clone',
  epoch: 1,
  last: { image: 'clone', epoch: 0, lastSequence: 0, generation: 1, entries: 0, digest: '0'.repeat(32) },
};

test('whoever was told a part of what others merged, and then nobody any more, merges what lies there', async () => {
  for (let turns = 0; turns < TOLD_TURNS; turns++) {
    const { world, order } = await wholeAtC();
    const { layers, merges } = world.stores.at('c');
    const end = new AbortController();
    const coming = layers.bring(order.newest, 'a', end.signal);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    for (const node of ['a', 'b'] as const) world.setAway(node, true);
    world.stores.breakStreams();
    end.abort();
    await Promise.allSettled([coming]);
    await passing(world, merges.merge({ ...order, source: 'a' }));
    const still = new StillImage({ image: 'web', bytes: BYTES, layers: [order.newest] }, layers);
    const read = Buffer.alloc(BLOCK_BYTES);
    still.read(2 * BLOCK_BYTES, read);
    assert.is(read[0], 22, `told for ${turns} turns`);
  }
});

test('who was bringing what others were to make of a layer when they were lost merges alone, however far that was', async () => {
  for (const done of [
    { a: 1, c: 1 },
    { a: 2, c: 1 },
    { a: 2, c: 0 },
    { a: 1, c: 1, isKept: true },
    { a: 2, c: 1, isKept: true },
  ] as const) {
    for (let turns = 0; turns < (done.a === 1 ? 1 : TOLD_TURNS); turns++) {
      const { world, orders, newest } = await twoMerges(done);
      const { layers, merges } = world.stores.at('c');
      const end = new AbortController();
      const coming = layers.bring(newest, 'a', end.signal);
      if (done.a === 1) await world.stores.clock.advance(2_000);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      for (const node of ['a', 'b'] as const) world.stores.away.add(node);
      world.stores.breakStreams();
      end.abort();
      await Promise.allSettled([coming]);
      for (const order of orders) {
        // What is refused, or goes on, is ordered again.
        let isDone = false;
        for (let tries = 0; !isDone && tries < 12; tries++) {
          const answer = merges.merge(order).catch(() => false);
          await passing(world, answer);
          isDone = await answer;
        }
        assert.ok(isDone, `told for ${turns} turns of ${done.a} merges`);
      }
      const still = new StillImage({ image: 'web', bytes: BYTES, layers: [newest] }, layers);
      const read = Buffer.alloc(BLOCK_BYTES);
      still.read(BLOCK_BYTES, read);
      assert.is(read[0], 33);
    }
  }
});

test('what was told of the second of two merges, and a number that a crash gave, are merged away alone', async () => {
  const { world, orders, newest } = await twoMerges({ a: 2, c: 0 });
  const { layers, merges } = world.stores.at('c');
  const [lower, upper] = [newest, orders[1]?.merge.from].map((one) => layers.find(one?.layer ?? '')?.store);
  if (lower === undefined || upper === undefined) throw new Error('they are not here');
  await lower.commit({ reserve: true, state: { role: 'loose' } });
  await mergeTables(lower, upper, async () => undefined);
  await moveBlocks(lower, upper, async () => undefined);
  const crashed = { epoch: 1, sequence: newest.lastSequence + 1_000_000 };
  lower.table.write(1, Uint32Array.of(lower.table.sumOf(1)), crashed);
  lower.table.lastSequence = crashed.sequence;
  await lower.flush();
  for (const node of ['a', 'b'] as const) world.stores.away.add(node);
  world.stores.breakStreams();
  for (const order of orders) {
    const isDone = merges.merge(order);
    await passing(world, isDone);
    assert.ok(await isDone);
  }
  assert.ok(sameTable(lower.table.mark, newest));
  const still = new StillImage({ image: 'web', bytes: BYTES, layers: [newest] }, layers);
  const read = Buffer.alloc(BLOCK_BYTES);
  for (const [block, fill] of [1, 2, 3].map((one) => [one, one === 1 ? 33 : one * 11] as const)) {
    still.read(block * BLOCK_BYTES, read);
    assert.is(read[0], fill, `block ${block}`);
  }
});

/** Three layers, all at c. */
async function threeLayers(): Promise<MergingWorld> {
  const world = await MergingWorld.make();
  for (const fill of [11, 22, 33]) {
    await world.write(1, fill);
    await world.write(fill % 10, fill);
    // The snapshot keeps the lowest one apart for now.
    await world.cut(fill === 11);
  }
  for (const sealed of world.stack.below) await wholeThere(world, sealed);
  return world;
}

/** The uppermost goes into the one below it, and that, once a snapshot is forgotten, into the lowest. */
async function twoStepsDown(world: MergingWorld, swept: readonly ('a' | 'c')[]): Promise<void> {
  assert.ok(await world.merge());
  for (const node of swept) await world.sweep(node);
  world.forget(0);
  assert.ok(await world.merge());
}

async function wholeThere(world: MergingWorld, sealed: SealedLayer | undefined): Promise<void> {
  if (sealed === undefined) throw new Error('there is no such layer');
  await brought(world, sealed);
  await passing(world, world.stores.at('c').layers.find(sealed.layer)?.fetch(0, BLOCKS, 'demand'));
}

/** What c was to merge, each in its turn; it has that of all of them then, says the disk's second block. */
async function mergedAlone(world: MergingWorld, fill: number): Promise<void> {
  const { layers, merges } = world.stores.at('c');
  const [newest] = world.stack.below;
  const merged = world.leaving.flatMap(({ merge }) => merge ?? []);
  if (newest === undefined || merged.length < 2) throw new Error('too little was merged');
  for (const node of ['a', 'b'] as const) world.stores.away.add(node);
  world.stores.breakStreams();
  for (const { from, into, merged: made } of merged.toSorted((one, other) => one.serial - other.serial)) {
    const isDone = merges.merge({ merge: { from, into, merged: made }, newest, source: 'a' });
    await passing(world, isDone);
    assert.ok(await isDone);
  }
  const still = new StillImage({ image: 'web', bytes: BYTES, layers: [newest] }, layers);
  const read = Buffer.alloc(BLOCK_BYTES);
  still.read(BLOCK_BYTES, read);
  assert.is(read[0], fill);
}

test('a layer that took one in, and is then to go into a third, does so alone', async () => {
  const world = await threeLayers();
  await twoStepsDown(world, ['a', 'c']);
  await mergedAlone(world, 33);
});

/** At c the lowest layer comes, as a table, with all that went into it, and the uppermost is not what it was. */
async function givenUp(world: MergingWorld): Promise<ImageStore> {
  await world.sweep('a');
  const [newest] = world.stack.below;
  if (newest !== undefined) await brought(world, newest);
  const [first] = world.leaving.filter(({ merge }) => merge?.serial === 0);
  const half = world.stores.at('c').layers.find(first?.layer ?? '')?.store;
  if (half === undefined) throw new Error('it is not here');
  await half.commit({ state: { role: 'loose' } });
  half.table.lastSequence--;
  return half;
}

test('a copy that was given up half done goes where the third layer has all of it, and more is to come', async () => {
  const world = await threeLayers();
  await twoStepsDown(world, ['a']);
  const { layers } = world.stores.at('c');
  const half = await givenUp(world);
  await world.write(1, 44);
  await world.cut(false);
  await wholeThere(world, world.stack.below[0]);
  assert.ok(await world.merge());
  await mergedAlone(world, 44);
  assert.is(layers.find(half.layer), undefined);
});

test('an image that stands on the steps of a merge stands on none of them once the last layer has it all', async () => {
  const world = await threeLayers();
  const { below } = world.stack;
  const c = world.stores.at('c');
  const host = await c.ensure({ ...CLONE, bytes: BYTES, stack: { layer: layerName(10_000), generation: 1, below } });
  await twoStepsDown(world, ['a']);
  const half = await givenUp(world);
  const { merge } = world.leaving.find(({ layer }) => layer === half.layer) ?? {};
  const [newest] = world.stack.below;
  if (merge === undefined || newest === undefined) throw new Error('nothing was merged');
  await passing(world, c.merges.merge({ merge, newest, source: 'a' }));
  assert.equal(
    host.image.store.state.below.map(({ layer }) => layer),
    [newest.layer],
  );
  const read = Buffer.alloc(BLOCK_BYTES);
  for (const [block, fill] of [1, 2, 3].map((one) => [one, one === 1 ? 33 : one * 11] as const)) {
    assert.ok(host.image.stack.read(read, block * BLOCK_BYTES, true));
    assert.is(read[0], fill, `block ${block}`);
  }
});

test('a merge that is done is so also where the next, of an empty layer, was broken off', async () => {
  const world = await MergingWorld.make();
  for (const fill of [11, 22, undefined]) {
    if (fill !== undefined) await world.write(1, fill);
    await world.cut(false);
  }
  for (const sealed of world.stack.below) await wholeThere(world, sealed);
  const { layers, merges } = world.stores.at('c');
  const order = (serial: number): MergeOrder => {
    const { merge } = world.leaving.find((one) => one.merge?.serial === serial) ?? {};
    const [newest] = world.stack.below;
    if (merge === undefined || newest === undefined) throw new Error('nothing was merged');
    return { merge, newest, source: 'a' };
  };
  assert.ok(await world.merge());
  await passing(world, merges.merge(order(0)));
  await world.sweep('a');
  assert.ok(await world.merge());
  const broken = layers.reading([order(1).newest.layer], () => merges.merge(order(1)));
  assert.is(await broken.catch((error: unknown) => codeOf(error)), 'LAYER_IN_USE');
  const again = merges.merge(order(0));
  await passing(world, again);
  assert.ok(await again);
});

test('a table that was told the number of what was merged, and not its entries, is merged', async () => {
  const { world, order } = await wholeAtC();
  const { layers, merges } = world.stores.at('c');
  const lower = layers.find(order.newest.layer);
  if (lower === undefined) throw new Error('it is not here');
  lower.store.table.lastSequence = order.newest.lastSequence;
  await passing(world, merges.merge({ ...order, source: 'a' }));
  assert.ok(sameTable(lower.store.table.mark, order.newest));
  assert.is(layers.find(order.merge.from.layer), undefined);
  const read = Buffer.alloc(BLOCK_BYTES);
  new StillImage({ image: 'web', bytes: BYTES, layers: [order.newest] }, layers).read(2 * BLOCK_BYTES, read);
  assert.is(read[0], 22);
});

test('who waits for a state of a layer that nobody has keeps nobody from merging it, and hears that it is more', async () => {
  const { world, order } = await wholeAtC();
  const { layers, merges } = world.stores.at('c');
  const { into } = order.merge;
  const other = { ...into, lastSequence: into.lastSequence + 1, digest: 'f'.repeat(32) };
  for (const node of ['a', 'b'] as const) world.stores.away.add(node);
  const outcome = layers.bring(other, 'a', new AbortController().signal).catch((error: unknown) => codeOf(error));
  await world.stores.clock.advance(1_000);
  await passing(world, merges.merge({ ...order, source: 'a' }));
  assert.is(await outcome, 'LAYER_MERGED');
  assert.ok(layers.find(into.layer));
  assert.is(layers.find(order.merge.from.layer), undefined);
});

test('who waits for a layer that is a part of another one here by now hears so, and it goes', async () => {
  const { world, order } = await movedImage();
  const { layers, merges } = world.stores.at('c');
  const { from } = order.merge;
  for (const node of ['a', 'b'] as const) world.stores.away.add(node);
  const outcome = layers.bring(from, 'a', new AbortController().signal).catch((error: unknown) => codeOf(error));
  await world.stores.clock.advance(2_000);
  assert.ok(layers.find(from.layer));
  world.stores.away.delete('a');
  await world.sweep('a');
  await brought(world, order.newest);
  await passing(world, merges.merge({ ...order, source: 'a' }));
  assert.is(await outcome, 'LAYER_MERGED');
  assert.is(layers.find(from.layer), undefined);
});

test.run();
