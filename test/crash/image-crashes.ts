// Sequences of steps on an image of four blocks, with a crash before each disk step of the last one and each loss of what
// was unsynced. Not a test itself.
import {
  type Kind,
  makeWorld,
  runAll,
  STEPS,
  type Step,
  settle,
  take,
  verifyLosses,
  type World,
} from './image-world.ts';

/** Runs the steps up to a power cut after so many disk steps of the last one; answers whether it came so far. */
async function runToCut(steps: readonly Step[], cutAfter: number, kind: Kind): Promise<World | undefined> {
  const world = await makeWorld(kind);
  await runAll(world, steps.slice(0, -1), kind);
  const before = world.disk.steps;
  world.disk.cutAfter(cutAfter);
  const last = steps.at(-1);
  const ran = last === undefined ? Promise.resolve() : take(world, last, steps.length, kind);
  await Promise.race([ran.catch(() => undefined), world.disk.cut]);
  await settle();
  world.model.used(world.image.store.table.lastSequence);
  return world.disk.steps - before < cutAfter ? undefined : world;
}

/** Cuts the power before each disk step of the last step, and after it; earlier ones are other sequences' last. */
export async function enumerate(steps: readonly Step[], kind: Kind): Promise<number> {
  let checked = 0;
  for (let cutAfter = 0; ; cutAfter++) {
    const world = await runToCut(steps, cutAfter, kind);
    if (world === undefined) return checked;
    const where = `${steps.join(', ')}; power cut after ${cutAfter} disk steps of the last`;
    checked += await verifyLosses(world, where, kind);
  }
}

export function sequences(length: number): Step[][] {
  if (length === 0) return [[]];
  return sequences(length - 1).flatMap((steps) => STEPS.map((step) => [...steps, step]));
}
