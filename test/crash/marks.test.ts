// First writes into several extents at once, which share the record of their marks: a crash before each of their disk steps,
// each loss of what was unsynced (S1, SOUNDNESS A3).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXTENT_BLOCKS } from '../../blockd/store/active-extents.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { change, makeWorld, settle, take, verifyLosses, type World } from './image-world.ts';

const EXTENT_BYTES = EXTENT_BLOCKS * BLOCK_BYTES;
const EXTENTS = 2;

/** Extents that were never written are written at once, and one of them again while its mark is on its way. */
async function writeAllExtents(world: World, turnsBetween: number): Promise<void> {
  const write = (offset: number, mark: number): Promise<void> =>
    change(world, offset, Buffer.alloc(BLOCK_BYTES, mark), false);
  const first = Array.from({ length: EXTENTS }, (_, extent) => write(extent * EXTENT_BYTES, extent + 1));
  for (let turn = 0; turn < turnsBetween; turn++) await Promise.resolve();
  await Promise.all([...first, write(0, 7)]);
}

/** Cuts the power before each disk step of the writes. */
async function enumerateMarks(turnsBetween: number): Promise<number> {
  let checked = 0;
  for (let cutAfter = 0; ; cutAfter++) {
    const world = await makeWorld({}, (EXTENTS + 1) * EXTENT_BYTES);
    await change(world, 0, Buffer.alloc(BLOCK_BYTES, 9), true);
    await take(world, 'reopen', 0, {});
    // In one more extent: numbers are reserved then, and nothing but its mark holds a write up.
    await change(world, EXTENTS * EXTENT_BYTES, Buffer.alloc(BLOCK_BYTES, 8), true);
    const before = world.disk.steps;
    world.disk.cutAfter(cutAfter);
    await Promise.race([writeAllExtents(world, turnsBetween).catch(() => undefined), world.disk.cut]);
    await settle();
    world.model.used(world.image.store.table.lastSequence);
    if (world.disk.steps - before < cutAfter) return checked;
    checked += await verifyLosses(world, `${turnsBetween} turns between; power cut after ${cutAfter} steps`, {});
  }
}

test('every crash while writes of several extents wait for their marks', async () => {
  let checked = 0;
  for (const turnsBetween of [2, 5, 8]) checked += await enumerateMarks(turnsBetween);
  console.log(`${checked} crashes`);
  assert.ok(checked > 5);
});

test.run();
