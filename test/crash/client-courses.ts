// Courses of two clients that a seed draws: longer than those of every run, on images of each kind. Not a test itself.
import { messageOf } from '../../common/errors.ts';
import { Prng } from '../sim/prng.ts';
import { OPERATIONS, type Operation } from './clients-world.ts';
import type { Kind } from './image-world.ts';
import { type Course, crashHeldAnywhere } from './two-clients.ts';

const BEFORE_MAX = 3;
const MEANWHILE_MAX = 3;
const KINDS: readonly [Kind, ...Kind[]] = [
  {},
  { isLayered: true },
  { checkpointBytes: 0 },
  { isLayered: true, checkpointBytes: 512 },
];

/** What a seed draws; two holds of the image by one migration never meet. */
export function courseOf(seed: number): Omit<Course, 'heldAt'> {
  const draw = new Prng(seed);
  const kind = draw.pick(KINDS);
  const list = (length: number): Operation[] => Array.from({ length }, () => draw.pick(OPERATIONS));
  const before = list(draw.integer(BEFORE_MAX + 1));
  const held = draw.pick(OPERATIONS);
  const meanwhile = list(1 + draw.integer(MEANWHILE_MAX)).filter((other) => held !== 'hold' || other !== 'hold');
  return { before, held, meanwhile, kind };
}

/** Crashes the courses of the seeds from `first` on. Answers how many crashes there were. */
export async function crashCourses(
  first: number,
  count: number,
  failed: (seed: number, why: string) => void,
): Promise<number> {
  let crashes = 0;
  for (let seed = first; seed < first + count; seed++) {
    try {
      crashes += await crashHeldAnywhere(courseOf(seed));
    } catch (error) {
      failed(seed, messageOf(error));
    }
  }
  return crashes;
}
