// What a store merges when all others are lost: whatever it was told of their merges before, it makes the proven layers of what it
// has, and waits for nobody.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StillImage } from '../../../blockd/image/still-image.ts';
import { mergeTables, moveBlocks } from '../../../blockd/layers/merge-steps.ts';
import { sameTable } from '../../../blockd/peer/table-follower.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import { brought, movedImage, passing, twoMerges, wholeAtC } from './merge-stands.ts';
import { BYTES } from './stores-between.ts';

/** So many turns after its begin a layer's table is told. */
const TOLD_TURNS = 40;

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
