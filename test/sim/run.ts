// Runs the simulation: `run.ts --seeds N --seed FIRST [--trace]`. Each seed is one world; a seed that breaks a promise is
// printed and makes the exit code 1. One in a hundred runs twice and must end alike.
import { drawLink, swarm } from './hold-faults.ts';
import { type HoldCast, HoldWorld } from './hold-world.ts';
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

function option(name: string, fallback: number): number {
  const index = process.argv.indexOf(name);
  return index < 0 ? fallback : Number(process.argv[index + 1]);
}

function main(): void {
  const count = option('--seeds', 2_000);
  const first = option('--seed', 1);
  const startedMs = performance.now();
  let failures = 0;
  const places = runSeeds(first, count, (result) => {
    failures += 1;
    if (failures > 20) return;
    console.log(`seed ${result.seed}: ${result.violations.join('; ')}`);
    if (process.argv.includes('--trace')) console.log(result.trace.join('\n'));
  });
  const outcomes = [...places].map(([place, seeds]) => `${place} ${seeds}`).join(', ');
  console.log(`${count} seeds from ${first} in ${Math.round(performance.now() - startedMs)} ms: ${outcomes}`);
  console.log(failures === 0 ? 'no promise broken' : `${failures} seeds broke a promise`);
  process.exitCode = failures === 0 ? 0 : 1;
}

if (import.meta.main) main();
