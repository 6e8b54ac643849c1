// Images of some layers at three stores, on the way to being merged. Not a test itself.
import * as assert from 'uvu/assert';
import type { MergeOrder } from '../../../blockd/layers/layer-merges.ts';
import type { SealedLayer } from '../../../wire/contracts/layers.ts';
import { isSettled } from './manual-clock.ts';
import { BLOCKS, MergingWorld } from './merging-world.ts';

/** An image of three layers that was written at a and is open at b, which has its tables; and the order to merge two. */
export async function movedImage(): Promise<{ world: MergingWorld; order: MergeOrder }> {
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

/** A store that has a layer both by itself, without contents, and as a part of another, with the only ones that there are. */
export async function bothAtC(): Promise<{ world: MergingWorld; order: MergeOrder }> {
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

/** Both layers are whole at c as they were, and a has merged them: whoever brings the one layer there brings its table only. */
export async function wholeAtC(): Promise<{ world: MergingWorld; order: MergeOrder }> {
  const { world, order } = await movedImage();
  const { layers } = world.stores.at('c');
  for (const sealed of [order.merge.into, order.merge.from]) {
    await brought(world, sealed);
    await passing(world, layers.find(sealed.layer)?.fetch(0, BLOCKS, 'demand'));
  }
  await world.sweep('a');
  return { world, order };
}

/** Three layers, two merges: c has had all three, and has done so many of the merges, a so many. */
export async function twoMerges(done: {
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

export async function brought(world: MergingWorld, sealed: SealedLayer): Promise<void> {
  await passing(world, world.stores.at('c').layers.bring(sealed, 'a', new AbortController().signal));
}

export async function passing(world: MergingWorld, work: Promise<unknown> | undefined): Promise<void> {
  const done = Promise.resolve(work);
  done.catch(() => undefined);
  for (let steps = 0; steps < 100 && !(await isSettled(done)); steps++) await world.stores.clock.advance(500);
  await done;
}
