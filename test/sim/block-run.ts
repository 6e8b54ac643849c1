// Runs worlds of real stores by their seeds; one in fifty runs twice and must end alike.
import type { CopyPolicy } from './block-copies.ts';
import { BLOCK_FAULTS, HARSH_FAULTS } from './block-faults.ts';
import { type BlockPlan, BlockWorld } from './block-world.ts';
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
  readonly rots: number;
  /** Moments at which the copies on all disks were compared with what they must be. */
  readonly looks: number;
  /** How often the disk became larger, and layers were merged. */
  readonly growths: number;
  readonly merges: number;
  /** Answers to readers, and how many of those to one that the catalogue did not know as a reader any more. */
  readonly reads: number;
  readonly lateReads: number;
  /** The same of snapshots. */
  readonly snapshotReads: number;
  readonly lateSnapshotReads: number;
  /** Recovery points that arrived, and moments at which one was had of its node alone. */
  readonly points: number;
  readonly pointLooks: number;
}

type BlockSums = Omit<BlockResult, 'seed' | 'violations' | 'trace' | 'fingerprint'>;

/** Makes the draws of a policy others than those of its world's faults. */
const POLICY_SEED = 2 ** 40;
const JOURNAL_SEED = 2 ** 41;
const HARSH_SEED = 2 ** 42;
const HARSH_FAULTS_MAX = 12;

/** Blocks are pushed ahead in every second world; answers wait for no copies. */
export function planWithoutCopies(seed: number): BlockPlan {
  return { isPushed: seed % 2 === 0 };
}

/** The same under a policy with copies that the seed draws. */
export function planWithCopies(seed: number): BlockPlan {
  const draw = new Prng(seed + POLICY_SEED);
  const mode = draw.pick<CopyPolicy['mode']>(['sync', 'sync', 'sync-write']);
  const whenDegraded = draw.pick<CopyPolicy['whenDegraded']>(['wait', 'wait', 'continue']);
  const policy = { mode, copies: draw.pick([2, 2, 3]), scope: 'world', whenDegraded } as const;
  return { ...planWithoutCopies(seed), policy };
}

/** A disk that is cut, grown, merged and read besides; in three of four, journals come to their checkpoints. */
export function planWithLayers(seed: number): BlockPlan {
  return { isPushed: (seed >> 2) % 2 === 0, isLayered: true, checkpointBytes: checkpointOf(seed) };
}

/** A disk with layers under a policy with copies. */
export function planWithCopiedLayers(seed: number): BlockPlan {
  return { ...planWithLayers(seed), policy: planWithCopies(seed).policy };
}

/** The same with snapshots that are kept for a while and shown; of two worlds one has copies. */
export function planWithSnapshots(seed: number): BlockPlan {
  return { ...(seed % 2 === 0 ? planWithLayers : planWithCopiedLayers)(seed), isShown: true };
}

/** The same with recovery points: of two worlds one has copies. */
export function planWithPoints(seed: number): BlockPlan {
  return { ...planWithSnapshots(seed), hasPoints: true };
}

/** Of four worlds two have copies, and two have layers and snapshots: one has both. Of eight four are harsh. */
export function planOf(seed: number): BlockPlan {
  const plan = [planWithoutCopies, planWithLayers, planWithCopies, planWithCopiedLayers][seed % 4] ?? planWithoutCopies;
  return { ...plan(seed), checkpointBytes: checkpointOf(seed), isShown: true, isHarsh: seed % 8 >= 4 };
}

function checkpointOf(seed: number): number | undefined {
  return new Prng(seed + JOURNAL_SEED).pick([undefined, 1024, 8 * 1024, 32 * 1024]);
}

/** One world under the faults that the seed draws. */
export async function runBlockSeed(seed: number, plan = planOf(seed)): Promise<BlockResult> {
  const draw = new Prng(seed);
  const blocks = new BlockWorld(seed, drawLink(draw), plan);
  await blocks.begin();
  const lengthMs = draw.between(2_000, FAULTS_MS_MAX);
  for (let left = draw.integer(FAULTS_MAX + 1); left > 0; left--) {
    const fault = draw.pick(BLOCK_FAULTS);
    blocks.world.clock.after(draw.between(0, lengthMs), () => blocks.strike(fault));
  }
  if (plan.isHarsh === true) strikeHarshly(blocks, new Prng(seed + HARSH_SEED), lengthMs);
  await blocks.run(blocks.world.clock.nowMs + lengthMs);
  const { pushedBlocks } = blocks.pushes;
  blocks.heal();
  // A world that is broken may never come to rest.
  if (blocks.world.violations.length === 0) await blocks.settle(SETTLE_MS);
  const { violations, trace, fingerprint } = blocks.world;
  const { moves, rots, guest, copies, script } = blocks;
  return {
    ...{ seed, violations, trace, fingerprint, answered: guest.answered, moves, rots, pushedBlocks },
    looks: copies?.looks ?? 0,
    growths: script?.cuts.growths ?? 0,
    merges: script?.merges.merged ?? 0,
    reads: script?.readers.answered ?? 0,
    lateReads: script?.readers.late ?? 0,
    snapshotReads: script?.snapshots?.answered ?? 0,
    lateSnapshotReads: script?.snapshots?.late ?? 0,
    points: script?.points?.arrived ?? 0,
    pointLooks: script?.points?.looks ?? 0,
  };
}

function strikeHarshly(blocks: BlockWorld, draw: Prng, lengthMs: number): void {
  for (let left = draw.integer(HARSH_FAULTS_MAX + 1); left > 0; left--) {
    const fault = draw.pick(HARSH_FAULTS);
    blocks.world.clock.after(draw.between(0, lengthMs), () => blocks.strike(fault));
  }
}

/** Runs the seeds from `first` on; calls back for each that broke a promise or ended differently the second time. */
export async function runBlockSeeds(
  first: number,
  count: number,
  failed: (result: BlockResult) => void,
  plan: (seed: number) => BlockPlan = planOf,
): Promise<BlockSums> {
  const disk = { answered: 0, moves: 0, rots: 0, pushedBlocks: 0, looks: 0, growths: 0, merges: 0 };
  const sum = { ...disk, reads: 0, lateReads: 0, snapshotReads: 0, lateSnapshotReads: 0, points: 0, pointLooks: 0 };
  for (let seed = first; seed < first + count; seed++) {
    const result = await runBlockSeed(seed, plan(seed));
    for (const key of Object.keys(sum) as (keyof BlockSums)[]) sum[key] += result[key];
    if (result.violations.length > 0) failed(result);
    else if (seed % REPEAT_EVERY === 0 && (await runBlockSeed(seed, plan(seed))).fingerprint !== result.fingerprint)
      failed({ ...result, violations: ['two runs of one seed ended differently'] });
  }
  return sum;
}
