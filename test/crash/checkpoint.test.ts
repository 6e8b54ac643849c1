// A checkpoint that stops after each of its disk steps while another step goes on beside it, a crash before each disk step
// of the two from there on, each loss of what was unsynced: it holds what holds of every other crash (S1, S3, S9).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointPause } from './checkpoint-pause.ts';
import { makeWorld, openOn, runAll, STEPS, type Step, settle, take, verifyLosses, type World } from './image-world.ts';

/** More than a checkpoint has disk steps. */
const CHECKPOINT_STEPS_MAX = 40;
/** Each barrier begins one. */
const KIND = { checkpointBytes: 0 };

/** A world with a checkpoint that stops after so many disk steps; undefined when it has fewer. */
async function stopped(afterSteps: number): Promise<{ world: World; pause: CheckpointPause } | undefined> {
  const world = await makeWorld(KIND);
  await runAll(world, ['write', 'flush'], KIND);
  const pause = new CheckpointPause(world.disk, afterSteps);
  // Its first steps are the barrier's too, which may come to nothing where the disk is full.
  runAll(world, ['fua'], KIND).catch(() => undefined);
  await settle();
  return pause.isReached ? { world, pause } : undefined;
}

/** Takes the step and lets the checkpoint go on: at once where the disk is full, never where its process is killed. */
async function takeBeside({ world, pause }: { world: World; pause: CheckpointPause }, step: Step): Promise<void> {
  if (step === 'restart') {
    pause.abandon();
    world.image = await openOn(world.disk, KIND);
    world.model.restarted(world.image);
    return;
  }
  world.disk.isFull = step === 'full';
  if (step === 'full') pause.resume();
  await settle();
  // What is flushed beside the checkpoint has its records in the old journal only.
  const taken = take(world, step, 3, KIND).then(() => take(world, 'flush', 4, KIND));
  taken.catch(() => undefined);
  await settle();
  pause.resume();
  await taken;
}

/** Cuts the power before each disk step from the stop on; undefined when the checkpoint has fewer steps. */
async function enumerate(afterSteps: number, step: Step): Promise<number | undefined> {
  let checked = 0;
  for (let cutAfter = 0; ; cutAfter++) {
    const begun = await stopped(afterSteps);
    if (begun === undefined) return undefined;
    const { world } = begun;
    const before = world.disk.steps;
    world.disk.cutAfter(cutAfter);
    await Promise.race([takeBeside(begun, step).catch(() => undefined), world.disk.cut]);
    await settle();
    world.model.used(world.image.store.table.lastSequence);
    if (world.disk.steps - before < cutAfter) return checked;
    const where = `${step} beside a checkpoint that stopped after ${afterSteps} steps; power cut after ${cutAfter} more`;
    checked += await verifyLosses(world, where, KIND);
  }
}

test('every crash of a step beside a checkpoint, wherever that is', async () => {
  let checked = 0;
  let stops = 0;
  for (; stops < CHECKPOINT_STEPS_MAX; stops++) {
    const counts: (number | undefined)[] = [];
    for (const step of STEPS) counts.push(await enumerate(stops, step));
    if (counts.includes(undefined)) break;
    checked += counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  }
  console.log(`${stops} steps of a checkpoint, ${checked} crashes`);
  assert.ok(stops >= 10 && stops < CHECKPOINT_STEPS_MAX, `it has ${stops} steps`);
});

test.run();
