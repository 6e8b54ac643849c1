// Runs the simulation by subject and seed. Each seed is one world; a seed that breaks a promise is printed and makes the
// exit code 1. One in a hundred holds runs twice and must end alike.
import { Command, Option } from 'commander';
import { wholeNumber } from '../../cli/commands/numbers.ts';
import { exitCodeOf } from '../../common/terminal/error-report.ts';
import { crashCourses } from '../crash/client-courses.ts';
import { planWithPoints, runBlockSeeds } from './block-run.ts';
import { drawLink, swarm } from './hold-faults.ts';
import { type HoldCast, HoldWorld } from './hold-world.ts';
import { runNetSeeds } from './net-run.ts';
import { Prng } from './prng.ts';

/** How long the faults may last, and how long the end may take after them, ms of virtual time. */
const FAULTS_MS_MAX = 40_000;
const SETTLE_MS = 150_000;
const REPEAT_EVERY = 100;

export interface SeedResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly fingerprint: string;
  readonly place: string;
}

/** One hold under the faults that the seed draws. */
export function runHoldSeed(seed: number, cast: HoldCast = {}): SeedResult {
  const draw = new Prng(seed);
  const hold = new HoldWorld(seed, drawLink(draw), cast);
  swarm(hold);
  hold.world.run(draw.between(500, FAULTS_MS_MAX));
  hold.heal();
  const place = hold.settle(SETTLE_MS);
  const { violations, trace, fingerprint } = hold.world;
  return { seed, violations, trace, fingerprint, place };
}

/** Runs the seeds from `first` on; calls back for each that broke a promise or ended differently the second time. */
export function runSeeds(first: number, count: number, failed: (result: SeedResult) => void): Map<string, number> {
  const places = new Map<string, number>();
  for (let seed = first; seed < first + count; seed += 1) {
    const result = runHoldSeed(seed);
    places.set(result.place, (places.get(result.place) ?? 0) + 1);
    if (result.violations.length > 0) failed(result);
    if (seed % REPEAT_EVERY === 0 && runHoldSeed(seed).fingerprint !== result.fingerprint)
      failed({ ...result, violations: ['two runs of one seed ended differently'] });
  }
  return places;
}

/** A subject's seeds, one after the other. Answers how many broke a promise, and what there is to say of all. */
type Subject = (first: number, count: number, failed: (result: Told) => void) => Promise<string>;
type Told = Pick<SeedResult, 'seed' | 'violations' | 'trace'>;

const SUBJECTS: Readonly<Record<string, { readonly seeds: number; readonly run: Subject }>> = {
  hold: {
    seeds: 2_000,
    async run(first, count, failed) {
      const places = runSeeds(first, count, failed);
      return [...places].map(([place, seeds]) => `${place} ${seeds}`).join(', ');
    },
  },
  blocks: {
    seeds: 100,
    async run(first, count, failed) {
      const sums = await runBlockSeeds(first, count, failed);
      const { answered, moves, rots, pushedBlocks, looks, growths, merges, reads, lateReads, snapshotReads } = sums;
      const written = `${answered} requests answered, ${moves} moves, ${growths} growths, ${merges} merges`;
      const read = `${reads} reads of readers, ${lateReads} of them late, ${snapshotReads} of snapshots`;
      const blocks = `${pushedBlocks} blocks pushed ahead, ${rots} rotted`;
      return `${written}, ${read}, ${blocks}, ${looks} looks at copies`;
    },
  },
  points: {
    seeds: 100,
    async run(first, count, failed) {
      const { points, pointLooks, merges } = await runBlockSeeds(first, count, failed, planWithPoints);
      return `${points} recovery points arrived, ${pointLooks} had of their node alone, ${merges} merges`;
    },
  },
  clients: {
    seeds: 200,
    async run(first, count, failed) {
      const crashes = await crashCourses(first, count, (seed, why) => failed({ seed, violations: [why], trace: [] }));
      return `${crashes} crashes`;
    },
  },
  network: {
    seeds: 100,
    async run(first, count, failed) {
      const { walks, tunnelsMost } = runNetSeeds(first, count, failed);
      return `${walks} frames followed to their end, none through more than ${tunnelsMost} tunnels`;
    },
  },
};

const EXAMPLES = `
Examples:
  supercloud sim
  supercloud sim --subject blocks --seeds 1000
  supercloud sim --subject hold --seed 17`;

interface Options {
  readonly subject?: string;
  readonly seeds?: number;
  readonly seed?: number;
}

async function run({ subject: only, seeds, seed }: Options): Promise<void> {
  const replays = seed !== undefined && seeds === undefined;
  for (const [name, subject] of Object.entries(SUBJECTS)) {
    if (only !== undefined && name !== only) continue;
    const count = replays ? 1 : (seeds ?? subject.seeds);
    const first = seed ?? 1;
    const startedMs = performance.now();
    let failures = 0;
    const said = await subject.run(first, count, ({ seed: broken, violations, trace }) => {
      failures += 1;
      if (failures > 20) return;
      console.log(`${name}, seed ${broken}: ${violations.join('; ')}`);
      if (replays) console.log(trace.join('\n'));
    });
    const end = failures === 0 ? 'no promise broken' : `${failures} seeds broke a promise`;
    const tookMs = Math.round(performance.now() - startedMs);
    console.log(`${name}: ${count} seeds from ${first} in ${tookMs} ms: ${said}; ${end}`);
    if (failures > 0) process.exitCode = 1;
  }
}

async function main(): Promise<void> {
  const subjects = new Option(
    '--subject <name>',
    'hold: the hold of a migration and its crash table; blocks: real stores, their guest and its moves; points: recovery ' +
      'points, had of their node alone at any moment; clients: ' +
      "crashes of a store that two clients use at once; network: the overlay's flows, every frame after every flow-mod " +
      '(default: all)',
  );
  await new Command('supercloud sim')
    .description(
      'worlds that break in every way that their seeds draw; the exit code is 1 if a promise was broken in one',
    )
    .addOption(subjects.choices(Object.keys(SUBJECTS)))
    .option(
      '--seeds <count>',
      'how many (default: hold 2000, blocks 100, points 100, clients 200, network 100)',
      wholeNumber,
    )
    .option('--seed <number>', 'the first; alone, only that one, with its story', wholeNumber)
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .action(run)
    .parseAsync(process.argv.slice(2), { from: 'user' })
    .catch((error: unknown) => {
      process.exitCode = exitCodeOf(error);
    });
}

if (import.meta.main) await main();
