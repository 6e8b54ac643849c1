// Layers merged while images stand on them, at stores that do so when they please: what is read is always what was written,
// nothing that only one store had is lost, and in the end each is one.
import { setImmediate } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StillImage } from '../../../blockd/image/still-image.ts';
import type { MergeOrder } from '../../../blockd/layers/layer-merges.ts';
import { mergeTables, moveBlocks } from '../../../blockd/layers/merge-steps.ts';
import { sameTable } from '../../../blockd/peer/table-follower.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import type { SealedLayer } from '../../../wire/contracts/layers.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { isSettled } from './manual-clock.ts';
import { BLOCKS, MergingWorld } from './merging-world.ts';
import { BYTES, type Node } from './stores-between.ts';

const NODES: readonly Node[] = ['a', 'b', 'c'];
const WORLDS = 6;
const STEPS = 60;
/** So many turns after its begin a layer is here. */
const BRING_TURNS = 80;
/** And so many until its table is told. */
const TOLD_TURNS = 40;

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

/** An image of three layers that was written at a and is open at b, which has its tables; and the order to merge two. */
async function movedImage(): Promise<{ world: MergingWorld; order: MergeOrder }> {
  const world = await MergingWorld.make();
  await world.write(0, 10);
  await world.write(2, 12);
  await world.cut(false);
  await world.write(1, 11);
  await world.write(2, 22);
  await world.cut(false);
  await world.move('b');
  await world.merge();
  const [left] = world.leaving;
  const [newest] = world.stack.below;
  if (left?.merge === undefined || newest === undefined) throw new Error('nothing was merged');
  const { from, into, merged } = left.merge;
  return { world, order: { merge: { from, into, merged }, newest, source: 'a' } };
}

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

/** A store that has a layer both by itself, without contents, and as a part of another, with the only ones that there are. */
async function bothAtC(): Promise<{ world: MergingWorld; order: MergeOrder }> {
  const { world, order } = await movedImage();
  const [a, c] = [world.stores.at('a'), world.stores.at('c')];
  await brought(world, order.merge.from);
  await world.sweep('a');
  await brought(world, order.newest);
  const into = order.newest.layer;
  await passing(world, c.layers.find(into)?.fetch(0, BLOCKS, 'demand'));
  const { store } = a.layers.find(into) ?? {};
  for (const block of [1, 2]) store?.table.leave(block, store.holderIndex('c'));
  await store?.flush();
  return { world, order };
}

async function brought(world: MergingWorld, sealed: SealedLayer): Promise<void> {
  await passing(world, world.stores.at('c').layers.bring(sealed, 'a', new AbortController().signal));
}

async function passing(world: MergingWorld, work: Promise<unknown> | undefined): Promise<void> {
  const done = Promise.resolve(work);
  done.catch(() => undefined);
  for (let steps = 0; steps < 100 && !(await isSettled(done)); steps++) await world.stores.clock.advance(500);
  await done;
}

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

/** Both layers are whole at c as they were, and a has merged them: whoever brings the one layer there brings its table only. */
async function wholeAtC(): Promise<{ world: MergingWorld; order: MergeOrder }> {
  const { world, order } = await movedImage();
  const { layers } = world.stores.at('c');
  for (const sealed of [order.merge.into, order.merge.from]) {
    await brought(world, sealed);
    await passing(world, layers.find(sealed.layer)?.fetch(0, BLOCKS, 'demand'));
  }
  await world.sweep('a');
  return { world, order };
}

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

/** Three layers, two merges: c has had all three, and has done so many of the merges, a so many. */
async function twoMerges(done: {
  readonly a: number;
  readonly c: number;
  readonly isKept?: boolean;
}): Promise<{ world: MergingWorld; orders: MergeOrder[]; newest: SealedLayer }> {
  const world = await MergingWorld.make();
  for (const fill of [11, 22, 33]) {
    for (const block of [1, fill % 10, 4 + (fill % 10)]) await world.write(block, fill);
    await world.cut(false);
  }
  const { layers } = world.stores.at('c');
  for (const sealed of world.stack.below) {
    await brought(world, sealed);
    await passing(world, layers.find(sealed.layer)?.fetch(0, BLOCKS, 'demand'));
  }
  const merges: MergeOrder['merge'][] = [];
  for (let count = 1; count <= 2; count++) {
    assert.ok(await world.merge());
    const { merge: last } = world.leaving.at(-1) ?? {};
    if (last === undefined) throw new Error('nothing was merged');
    merges.push({ from: last.from, into: last.into, merged: last.merged });
    const sweep = async (): Promise<void> => {
      for (const node of ['a', 'c'] as const) if (count <= done[node]) await world.sweep(node);
    };
    // Of what is read the upper one stays, though it is merged.
    if (done.isKept === true) await layers.reading([last.from.layer, last.into.layer], sweep);
    else await sweep();
  }
  const [newest] = world.stack.below;
  if (newest === undefined) throw new Error('nothing was merged');
  const copies = [{ layer: newest.layer, copies: 2 }];
  await layers.records.keep({ mark: { incarnation: 1, serial: 1 }, pins: [], copies, leaving: [], records: [] });
  return { world, orders: merges.map((merge) => ({ merge, newest, source: 'a' })), newest };
}

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

test('a layer that took one in, and is then to go into a third, does so alone', async () => {
  const world = await MergingWorld.make();
  for (const fill of [11, 22, 33]) {
    await world.write(1, fill);
    // The snapshot keeps the lowest one apart for now.
    await world.cut(fill === 11);
  }
  const { layers, merges } = world.stores.at('c');
  for (const sealed of world.stack.below) {
    await brought(world, sealed);
    await passing(world, layers.find(sealed.layer)?.fetch(0, BLOCKS, 'demand'));
  }
  assert.ok(await world.merge());
  for (const node of ['a', 'c'] as const) await world.sweep(node);
  world.forget(0);
  assert.ok(await world.merge());
  const [newest] = world.stack.below;
  if (newest === undefined) throw new Error('nothing was merged');
  for (const node of ['a', 'b'] as const) world.stores.away.add(node);
  const merged = world.leaving.flatMap(({ merge }) => merge ?? []).toSorted((one, other) => one.serial - other.serial);
  assert.is(merged.length, 2);
  for (const { from, into, merged: made } of merged) {
    const isDone = merges.merge({ merge: { from, into, merged: made }, newest, source: 'a' });
    await passing(world, isDone);
    assert.ok(await isDone);
  }
  const still = new StillImage({ image: 'web', bytes: BYTES, layers: [newest] }, layers);
  const read = Buffer.alloc(BLOCK_BYTES);
  still.read(BLOCK_BYTES, read);
  assert.is(read[0], 33);
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

test.run();
