// Layers merged while images stand on them, at stores that do so when they please: what is read is always what was written,
// nothing that only one store had is lost, and in the end each is one.
import { setImmediate } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StillImage } from '../../../blockd/image/still-image.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { isSettled } from './manual-clock.ts';
import { bothAtC, brought, movedImage, passing, twoMerges, wholeAtC } from './merge-stands.ts';
import { BLOCKS, MergingWorld } from './merging-world.ts';
import { BYTES, type Node } from './stores-between.ts';

const NODES: readonly Node[] = ['a', 'b', 'c'];
const WORLDS = 6;
const STEPS = 60;
/** So many turns after its begin a layer is here. */
const BRING_TURNS = 80;

/** Everybody is there and merges until nothing is left to merge. */
async function mergeAll(world: MergingWorld): Promise<void> {
  for (const node of NODES) world.setAway(node, false);
  for (let turn = 0; turn < 200; turn++) {
    for (const node of NODES) await world.sweep(node);
    if (world.leaving.length === 0 && !(await world.merge())) return;
  }
  assert.unreachable(`still to merge: ${JSON.stringify(world.leaving)}`);
}

async function checkAll(world: MergingWorld): Promise<void> {
  for (const node of NODES) {
    await world.move(node);
    for (let block = 0; block < BLOCKS; block++) await world.read(block);
    for (let index = 0; index < world.kept.length; index++) await world.readSnapshot(index, node);
  }
}

test('random worlds of writes, snapshots, moves and merges, with stores that are away', async () => {
  let merged = 0;
  for (let seed = 1; seed <= WORLDS; seed++) {
    const draw = seededRandom(seed);
    const below = (limit: number): number => Math.floor(draw() * limit);
    const node = (): Node => NODES[below(NODES.length)] ?? 'a';
    const world = await MergingWorld.make();
    const steps = [
      () => world.write(below(BLOCKS), below(250)),
      () => world.write(below(BLOCKS), 1 + below(250)),
      () => world.read(below(BLOCKS)),
      () => world.cut(draw() < 0.4),
      async () => world.forget(below(8)),
      async () => void (await world.merge()),
      () => world.sweep(node()),
      () => world.sweep(node()),
      async () => world.setAway(node(), draw() < 0.3),
      async () => {
        for (const one of NODES) world.setAway(one, false);
        await world.move(node());
      },
    ];
    try {
      for (let step = 0; step < STEPS; step++) {
        const index = below(steps.length);
        // What is only at a store that is away is waited for.
        if (index === 2) for (const one of NODES) world.setAway(one, false);
        await steps[index]?.();
      }
      await mergeAll(world);
      const needed = new Set(world.kept.map(({ snapshot }) => snapshot.disks[0]?.layers[0]?.layer));
      assert.ok(world.stack.below.length <= needed.size + 1, `${world.stack.below.length} layers for ${needed.size}`);
      await checkAll(world);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    merged += world.merged;
  }
  assert.ok(merged > WORLDS, `${merged} merges`);
});

test('who has merged asks one that has not by the name that the block has there', async () => {
  const { world } = await movedImage();
  await world.sweep('b');
  assert.equal(world.leaving[0]?.nodes, ['a', 'c']);
  for (const block of [0, 1, 2]) await world.read(block);
});

test('who has not merged is answered by one that has, under the old name', async () => {
  const { world, order } = await movedImage();
  await world.sweep('a');
  assert.is(world.stores.at('a').layers.find(order.merge.from.layer), undefined);
  for (const block of [0, 1, 2]) await world.read(block);
});

test('what lies here under the name of what it was merged into alone is not asked of others only', async () => {
  const { world, order } = await bothAtC();
  const upper = world.stores.at('c').layers.find(order.merge.from.layer);
  assert.ok(upper?.store.table.someMissing(2, 3));
  await passing(world, upper?.fetch(2, 3, 'demand'));
  const into = Buffer.alloc(BLOCK_BYTES);
  assert.ok(upper?.store.file.read(into, 2 * BLOCK_BYTES));
  assert.is(into[0], 22);
});

test('a layer that lies here still over what it was merged into goes from a stack that is told as it is by now', async () => {
  const { world, order } = await bothAtC();
  const shelf = world.stores.at('c');
  const known = { image: 'web', bytes: BYTES, epoch: world.epoch };
  await shelf.ensure({ ...known, stack: { ...world.stack, below: [order.merge.from, order.newest] } });
  await shelf.ensure({ ...known, stack: world.stack });
  assert.equal(
    shelf.get('web').image.store.state.below.map(({ layer }) => layer),
    world.stack.below.map(({ layer }) => layer),
  );
});

test('and is given to whoever asks by the old name', async () => {
  const { world } = await bothAtC();
  await world.read(1);
});

test('a stream on which the layer was there is not answered from its files when it is merged', async () => {
  const { world, order } = await movedImage();
  const { dialled } = world.stores;
  const streams = (): number => dialled.filter((one) => one === `a ${order.merge.from.layer}`).length;
  await world.read(1);
  const before = streams();
  await world.sweep('a');
  await world.read(2);
  assert.is(streams(), before + 1, 'it begins anew');
});

test('an order from before the merge makes nothing anew, and takes nothing back', async () => {
  const { world, order } = await movedImage();
  for (const node of NODES) await world.sweep(node);
  const { layers } = world.stores.at('a');
  const { signal } = new AbortController();
  const { from, into } = order.merge;
  for (const sealed of [from, into]) {
    const outcome = layers.bring(sealed, 'b', signal).catch((error: unknown) => codeOf(error));
    assert.is(await outcome, 'LAYER_MERGED');
  }
  assert.is(layers.find(from.layer), undefined);
});

test('what is being merged here is read as a disk of its own once it is one', async () => {
  const { world, order } = await movedImage();
  const shelf = world.stores.at('a');
  const { layer } = order.merge.into;
  const still = (): StillImage =>
    new StillImage({ image: 'web', bytes: BYTES, layers: world.stack.below }, shelf.layers);
  const merging = shelf.merges.merge(order);
  const isUnderWay = (): boolean => (shelf.layers.find(layer)?.store.state.merging ?? null) !== null;
  for (let turn = 0; turn < 1_000 && !isUnderWay(); turn++) await setImmediate();
  assert.throws(still);
  const whole = shelf.merges.settled([layer]).then(still);
  for (let turn = 0; turn < 100 && !(await isSettled(whole)); turn++) await world.stores.clock.advance(100);
  await Promise.all([whole, merging]);
});

test('a new top is not laid over a layer that has not merged yet', async () => {
  const { world, order } = await movedImage();
  await world.sweep('b');
  await world.cut(false);
  assert.ok(await world.merge());
  await world.sweep('b');
  const [lower] = world.stack.below;
  assert.equal([lower?.layer, world.stack.below.length], [order.merge.into.layer, 1]);
  assert.is(world.stores.at('a').layers.find(order.merge.into.layer)?.store.state.role, 'sealed', 'as it was before');
  await world.move('a');
  for (const block of [0, 1, 2]) await world.read(block);
});

test('one that has merged takes nothing from a table of before', async () => {
  const { world, order } = await movedImage();
  await world.sweep('b');
  const { layers } = world.stores.at('b');
  const before = layers.find(order.newest.layer)?.store.table.mark;
  const end = new AbortController();
  const { lastSequence } = order.newest;
  const later = { ...order.newest, lastSequence: lastSequence + 9, digest: 'ab'.repeat(16) };
  const outcome = layers.bring(later, 'a', end.signal).catch((error: unknown) => codeOf(error));
  await world.stores.clock.advance(10_000);
  end.abort();
  assert.is(await outcome, 'CANCELLED');
  assert.equal(layers.find(order.newest.layer)?.store.table.mark, before);
});

test('when all wait for what a merge makes of a layer, each that has its parts merges them, and nobody waits any more', async () => {
  const { world, order } = await movedImage();
  const { signal } = new AbortController();
  const coming = NODES.map((node) => world.stores.at(node).layers.bring(order.newest, 'b', signal));
  await world.stores.clock.advance(5_000);
  for (const node of NODES) await world.sweep(node);
  assert.equal(world.leaving, []);
  for (const layer of await Promise.all(coming)) assert.is(layer.store.table.mark.digest, order.newest.digest);
});

test('while all have the layer as it was before a merge, their tables are not heard over and over', async () => {
  const { world, order } = await movedImage();
  const { stores } = world;
  const end = new AbortController();
  const at = stores.at('c').layers;
  const earlier = at.bring(order.merge.into, 'a', end.signal);
  await stores.clock.advance(5_000);
  await earlier;
  const before = stores.dialled.length;
  const coming = at.bring(order.newest, 'a', end.signal).catch((error: unknown) => codeOf(error));
  await stores.clock.advance(5_000);
  end.abort();
  assert.is(await coming, 'CANCELLED');
  const dials = stores.dialled.length - before;
  assert.ok(dials > 4 && dials < 40, `${dials} streams in 5 s`);
});

test('a table that was heard and could not be kept names what nobody has but by the names of before the merge', async () => {
  const { world, order } = await movedImage();
  await brought(world, order.merge.into);
  await world.sweep('b');
  const disk = world.stores.disk('c');
  disk.isFull = true;
  const failed = brought(world, order.newest).catch((error: unknown) => codeOf(error));
  assert.is(await failed, 'ENOSPC');
  disk.isFull = false;
  const layer = world.stores.at('c').layers.find(order.newest.layer);
  await passing(world, layer?.fetch(1, 2, 'demand'));
  const into = Buffer.alloc(BLOCK_BYTES);
  assert.ok(layer?.store.file.read(into, BLOCK_BYTES));
  assert.is(into[0], 11);
});

test('a merge that is ordered while its outcome is being brought, however far that is, keeps every block', async () => {
  for (let turns = 0; turns < BRING_TURNS; turns++) {
    const { world, order } = await wholeAtC();
    const { layers, merges } = world.stores.at('c');
    const coming = layers.bring(order.newest, 'a', new AbortController().signal);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const merging = merges.merge({ ...order, source: 'a' });
    await passing(world, Promise.allSettled([coming, merging]));
    const table = layers.find(order.newest.layer)?.store.table;
    assert.not.ok(table?.someMissing(0, BLOCKS), `begun ${turns} turns before`);
  }
});

test('a merge that waited for blocks does not go on over what has come meanwhile', async () => {
  const { world, orders, newest } = await twoMerges({ a: 2, c: 0 });
  const { layers, merges } = world.stores.at('c');
  const [first] = orders;
  const upper = layers.find(first?.merge.from.layer ?? '')?.store;
  if (first === undefined || upper === undefined) throw new Error('it is not here');
  upper.table.leave(2, upper.holderIndex('a'));
  const filled = Promise.withResolvers<void>();
  layers.fillLayer = () => filled.promise;
  const waiting = merges.merge(first).catch((error: unknown) => codeOf(error));
  await brought(world, newest);
  filled.resolve();
  await passing(world, waiting);
  assert.is(await waiting, 'LAYER_IN_USE');
  assert.is(layers.find(newest.layer)?.store.state.merging ?? null, null);
  for (const order of orders) await passing(world, merges.merge(order));
  const read = Buffer.alloc(BLOCK_BYTES);
  new StillImage({ image: 'web', bytes: BYTES, layers: [newest] }, layers).read(BLOCK_BYTES, read);
  assert.is(read[0], 33);
});

test('what a merge has brought is durable before the layer below says that it is the newer one', async () => {
  const { world, orders } = await twoMerges({ a: 1, c: 0 });
  const { layers, merges } = world.stores.at('c');
  const [order] = orders;
  const [upper, lower] = [order?.merge.from, order?.merge.into].map((one) => layers.find(one?.layer ?? '')?.store);
  if (order === undefined || upper === undefined || lower === undefined) throw new Error('they are not here');
  upper.table.leave(2, upper.holderIndex('a'));
  const steps: string[] = [];
  layers.fillLayer = async () => void steps.push('brought');
  const [flush, commit] = [upper.flush.bind(upper), lower.commit.bind(lower)];
  upper.flush = () => {
    steps.push('durable');
    return flush();
  };
  lower.commit = (change) => {
    steps.push('said');
    return commit(change);
  };
  await passing(world, merges.merge(order));
  assert.equal(steps.slice(0, 3), ['brought', 'durable', 'said']);
});

test.run();
