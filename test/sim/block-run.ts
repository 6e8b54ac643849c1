// Runs worlds of real stores by their seeds; one in fifty runs twice and must end alike.
import { BLOCK_FAULTS, BlockWorld } from './block-world.ts';
import { drawLink } from './hold-faults.ts';
import { Prng } from './prng.ts';

const FAULTS_MS_MAX = 60_000;
const SETTLE_MS = 400_000;
const FAULTS_MAX = 14;
const REPEAT_EVERY = 50;

export interface BlockResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly fingerprint: string;
  readonly answered: number;
  readonly moves: number;
  /** That came before they were asked for, as far as the daemons that were up before the end know. */
  readonly pushedBlocks: number;
}

/** Blocks are pushed ahead in every second world. */
function isPushedIn(seed: number): boolean {
  return seed % 2 === 0;
}

/** One world under the faults that the seed draws. */
export async function runBlockSeed(seed: number, isPushed = isPushedIn(seed)): Promise<BlockResult> {
  const draw = new Prng(seed);
  const blocks = new BlockWorld(seed, drawLink(draw), isPushed);
  await blocks.begin();
  const lengthMs = draw.between(2_000, FAULTS_MS_MAX);
  for (let left = draw.integer(FAULTS_MAX + 1); left > 0; left--) {
    const fault = draw.pick(BLOCK_FAULTS);
    blocks.world.clock.after(draw.between(0, lengthMs), () => blocks.strike(fault));
  }
  await blocks.run(blocks.world.clock.nowMs + lengthMs);
  const { pushedBlocks } = blocks.pushes;
  blocks.heal();
  // A world that is broken may never come to rest.
  if (blocks.world.violations.length === 0) await blocks.settle(SETTLE_MS);
  const { violations, trace, fingerprint } = blocks.world;
  return { seed, violations, trace, fingerprint, answered: blocks.guest.answered, moves: blocks.moves, pushedBlocks };
}

/** Runs the seeds from `first` on; calls back for each that broke a promise or ended differently the second time. */
export async function runBlockSeeds(
  first: number,
  count: number,
  failed: (result: BlockResult) => void,
  isPushed: (seed: number) => boolean = isPushedIn,
): Promise<{ answered: number; moves: number; pushedBlocks: number }> {
  const sum = { answered: 0, moves: 0, pushedBlocks: 0 };
  for (let seed = first; seed < first + count; seed++) {
    const result = await runBlockSeed(seed, isPushed(seed));
    sum.answered += result.answered;
    sum.moves += result.moves;
    sum.pushedBlocks += result.pushedBlocks;
    if (result.violations.length > 0) failed(result);
    else if (seed % REPEAT_EVERY === 0 && (await runBlockSeed(seed, isPushed(seed))).fingerprint !== result.fingerprint)
      failed({ ...result, violations: ['two runs of one seed ended differently'] });
  }
  return sum;
}
