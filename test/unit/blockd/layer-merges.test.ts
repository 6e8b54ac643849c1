// Layers merged while images stand on them, at stores that do so when they please: what is read is always what was written,
// nothing that only one store had is lost, and in the end each is one.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { seededRandom } from '../common/seeded-random.ts';
import { BLOCKS, MergingWorld } from './merging-world.ts';
import type { Node } from './stores-between.ts';

const NODES: readonly Node[] = ['a', 'b', 'c'];
const WORLDS = 6;
const STEPS = 60;

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

test.run();
