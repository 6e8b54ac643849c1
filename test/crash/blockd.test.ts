// All sequences of up to three steps on an image of four blocks, a crash before each of their disk steps, each loss of
// what was unsynced: no flushed write is lost, no version names two contents, no number comes twice (S1, S3), also where
// the disk was full (S9) or a sync failed and only the daemon was restarted (S2).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeWorld, runAll, STEPS, type Step, settle, take, verifyLosses, type World } from './image-world.ts';

/** Runs the steps up to a power cut after so many disk steps of the last one; answers whether it came so far. */
async function runToCut(
  steps: readonly Step[],
  cutAfter: number,
  checkpointBytes: number | undefined,
): Promise<World | undefined> {
  const world = await makeWorld(checkpointBytes);
  await runAll(world, steps.slice(0, -1), checkpointBytes);
  const before = world.disk.steps;
  world.disk.cutAfter(cutAfter);
  const last = steps.at(-1);
  const ran = last === undefined ? Promise.resolve() : take(world, last, steps.length, checkpointBytes);
  await Promise.race([ran.catch(() => undefined), world.disk.cut]);
  await settle();
  world.model.used(world.image.store.table.lastSequence);
  return world.disk.steps - before < cutAfter ? undefined : world;
}

/** Cuts the power before each disk step of the last step, and after it; earlier ones are other sequences' last. */
async function enumerate(steps: readonly Step[], checkpointBytes: number | undefined): Promise<number> {
  let checked = 0;
  for (let cutAfter = 0; ; cutAfter++) {
    const world = await runToCut(steps, cutAfter, checkpointBytes);
    if (world === undefined) return checked;
    const where = `${steps.join(', ')}; power cut after ${cutAfter} disk steps of the last`;
    checked += await verifyLosses(world, where, checkpointBytes);
  }
}

function sequences(length: number): Step[][] {
  if (length === 0) return [[]];
  return sequences(length - 1).flatMap((steps) => STEPS.map((step) => [...steps, step]));
}

for (const length of [1, 2, 3]) {
  test(`every crash in sequences of ${length}`, async () => {
    let checked = 0;
    for (const steps of sequences(length)) checked += await enumerate(steps, undefined);
    console.log(`${STEPS.length ** length} sequences, ${checked} crashes`);
    assert.ok(checked >= STEPS.length ** length);
  });
}

test('every crash after a sync that failed over flushed data, and a restart', async () => {
  let checked = 0;
  for (const [before, after] of sequences(2)) {
    if (before === undefined || after === undefined) continue;
    checked += await enumerate(['write', 'flush', before, 'restart', after], undefined);
  }
  console.log(`${STEPS.length ** 2} sequences, ${checked} crashes`);
  assert.ok(checked > 0);
});

test('every crash when each barrier writes a checkpoint', async () => {
  let checked = 0;
  for (const steps of [...sequences(1), ...sequences(2)]) checked += await enumerate(steps, 0);
  console.log(`${checked} crashes`);
  assert.ok(checked > 0);
});

test.run();
