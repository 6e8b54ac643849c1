// Layers that went down by steps: one into the next, and that into a third, at a store that takes part late or alone.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StillImage } from '../../../blockd/image/still-image.ts';
import type { MergeOrder } from '../../../blockd/layers/layer-merges.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import type { SealedLayer } from '../../../wire/contracts/layers.ts';
import { layerName } from './layered-image.ts';
import { brought, passing } from './merge-stands.ts';
import { BLOCKS, MergingWorld } from './merging-world.ts';
import { BYTES } from './stores-between.ts';

/** An image that no node has written yet. */
const CLONE = {
  image: 'clone',
  epoch: 1,
  last: { image: 'clone', epoch: 0, lastSequence: 0, generation: 1, entries: 0, digest: '0'.repeat(32) },
};

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

test('a merge of an empty layer that was never here is done, also once more was merged', async () => {
  const world = await MergingWorld.make();
  for (const fill of [11, undefined, 33]) {
    if (fill !== undefined) await world.write(1, fill);
    await world.cut(false);
  }
  for (const sealed of world.stack.below.filter(({ layer }) => layer !== layerName(2))) await wholeThere(world, sealed);
  for (let merges = 0; merges < 2; merges++) {
    assert.ok(await world.merge());
    await world.sweep('a');
  }
  await mergedAlone(world, 33);
});

test('a layer that arrived with all that went down by two steps goes down one more alone', async () => {
  const world = await MergingWorld.make();
  for (const fill of [11, 22, 33, 44]) {
    await world.write(1, fill);
    await world.cut(fill < 33);
  }
  for (const index of [1, 0]) {
    assert.ok(await world.merge());
    await world.sweep('a');
    // Of the second of these c has all, and had nothing of its parts.
    if (index === 0) for (const sealed of world.stack.below) await wholeThere(world, sealed);
    world.forget(index);
  }
  assert.ok(await world.merge());
  await mergedAlone(world, 44);
});

test('an empty layer that others merged is known to be a part, and keeps no later merge back', async () => {
  const world = await MergingWorld.make();
  await world.write(1, 11);
  await world.cut(false);
  await wholeThere(world, world.stack.below[0]);
  await world.cut(false);
  assert.ok(await world.merge());
  await world.sweep('a');
  await world.write(1, 33);
  await world.cut(false);
  for (const sealed of world.stack.below) await wholeThere(world, sealed);
  const lowest = world.stores.at('c').layers.find(world.stack.below.at(-1)?.layer ?? '');
  assert.equal(
    lowest?.store.state.merged?.map(({ layer }) => layer),
    [layerName(2)],
  );
  assert.ok(await world.merge());
  await mergedAlone(world, 33);
});

test('a block that lies under the name of before is found there, whichever names an empty layer makes alike', async () => {
  for (const isEmptyFirst of [false, true]) {
    const world = await MergingWorld.make();
    await world.write(0, 10);
    await world.cut(false);
    if (isEmptyFirst) await world.cut(false);
    await world.write(1, 11);
    await world.cut(false);
    if (!isEmptyFirst) await world.cut(false);
    await world.move('b');
    for (let merges = 0; merges < 2; merges++) {
      assert.ok(await world.merge());
      await world.sweep('b');
    }
    await world.read(1);
  }
});

test.run();
