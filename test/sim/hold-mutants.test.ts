// Each planted bug must be caught by the simulation: its enumeration of single faults, then seeds.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { enumerate } from './hold-enumeration.ts';
import type { HoldCast } from './hold-world.ts';
import { HOLD_MUTANTS, plantMutant } from './mutants.ts';
import { runHoldSeed } from './run.ts';

/** Seeds in which a bug must show itself if no single fault shows it. */
const SEEDS_MAX = 2_000;

function caughtBy(cast: HoldCast): string {
  for (const { point, fault, violations } of enumerate(cast))
    if (violations.length > 0) return `${fault} at ${point}: ${violations[0]}`;
  for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
    const { violations } = runHoldSeed(seed, cast);
    if (violations.length > 0) return `seed ${seed}: ${violations[0]}`;
  }
  return '';
}

for (const mutant of HOLD_MUTANTS) {
  test(mutant.name, async () => {
    const caught = caughtBy(await plantMutant(mutant));
    if (process.env.VERBOSE) console.log(`${mutant.name}\n    ${caught}`);
    assert.ok(caught, 'no fault and no seed shows it');
  });
}

test.run();
