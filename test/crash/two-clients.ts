// Two clients of one image, an operation of one held before one of its disk steps while the other's go on; a crash before each
// disk step from then on, with each loss of what was unsynced and with none but the daemon. Not a test itself.
import { type Client, ClientsWorld, OPERATIONS, type Operation, settle } from './clients-world.ts';
import type { Kind } from './image-world.ts';

/** What is done in one world. */
export interface Course {
  /** One after the other, before. */
  readonly before: readonly Operation[];
  readonly held: Operation;
  /** The held one's disk step, from 0, that waits until the others stand still or are answered. */
  readonly heldAt: number;
  /** The other client's, each once the one before is answered. */
  readonly meanwhile: readonly Operation[];
  readonly kind: Kind;
}

interface Played {
  readonly world: ClientsWorld;
  /** Whether the held operation came to that step. */
  readonly isHeld: boolean;
  /** Steps of the disk from the held operation's beginning: until it was held, and in all. */
  readonly stepsToHold: number;
  readonly steps: number;
}

async function inTurn(world: ClientsWorld, client: Client, operations: readonly Operation[]): Promise<void> {
  for (const operation of operations) await world.take(client, operation);
}

/** Takes the course up to a power cut after so many disk steps. @throws Error where something is never answered, or fails */
async function play({ before, held, heldAt, meanwhile, kind }: Course, cutAfter: number): Promise<Played> {
  const world = await ClientsWorld.make(kind);
  const { disk } = world;
  for (const operation of before) {
    await world.take(0, operation);
    await settle();
    world.settled();
  }
  const begun = disk.steps;
  disk.cutAfter(cutAfter);
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  disk.turn = () => (asked++ === heldAt ? gate.promise : undefined);
  const first = world.take(0, held);
  first.catch(() => undefined);
  await settle();
  const isHeld = asked > heldAt;
  const stepsToHold = disk.steps - begun;
  const second = inTurn(world, 1, meanwhile);
  second.catch(() => undefined);
  await settle();
  gate.resolve();
  let isOver = false;
  const all = Promise.all([first, second]).then(() => {
    isOver = true;
  });
  await Promise.race([disk.cut, settle(), all.catch(() => undefined)]);
  await settle();
  const steps = disk.steps - begun;
  if (steps < cutAfter) {
    if (!isOver) await Promise.race([all, Promise.reject(new Error('an operation is never answered'))]);
    world.settled();
  }
  return { world, isHeld, stepsToHold, steps };
}

/** Crashes the course before each disk step from the held one's on. Answers how many, or nothing when it is not held. */
export async function crash(course: Course): Promise<number | undefined> {
  const { before, held, heldAt, meanwhile } = course;
  const where = `${[...before, held].join(', ')}, held before its step ${heldAt}, beside ${meanwhile.join(', ')}`;
  const whole = await play(course, Number.POSITIVE_INFINITY).catch((cause: unknown) => {
    throw new Error(where, { cause });
  });
  if (!whole.isHeld) return undefined;
  let crashes = await whole.world.verify(`${where}; at the end`);
  for (let cutAfter = whole.stepsToHold; cutAfter < whole.steps; cutAfter++) {
    const { world } = await play(course, cutAfter);
    crashes += await world.verify(`${where}; after ${cutAfter} disk steps`);
  }
  return crashes;
}

/** All steps at which the operation can be held. */
export async function crashHeldAnywhere(course: Omit<Course, 'heldAt'>): Promise<number> {
  let crashes = 0;
  for (let heldAt = 0; ; heldAt++) {
    const more = await crash({ ...course, heldAt });
    if (more === undefined) return crashes;
    crashes += more;
  }
}

/** Every operation held beside every other one; a hold of the image beside one of its own migration is no course. */
export function coursesOf(before: readonly Operation[], kind: Kind = {}): Omit<Course, 'heldAt'>[] {
  return OPERATIONS.flatMap((held) =>
    OPERATIONS.filter((other) => held !== 'hold' || other !== 'hold').map((other) => ({
      before,
      held,
      meanwhile: [other],
      kind,
    })),
  );
}
