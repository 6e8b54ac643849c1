// Disks of all kinds under the faults of every world, and besides: blocks rot where another store has them, a disk fails until
// its node is started anew, what is sent comes up to five seconds later, clocks are wrong by hours.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planOf, runBlockSeed } from './block-run.ts';

/** Of each kind of disk; in the first five blocks rot. */
const SEEDS = [7, 31, 47, 55, 61, 4, 6, 13];

test(`${SEEDS.length} harsh worlds: what rots is read right, and nobody relies on it`, async () => {
  let rotted = 0;
  for (const seed of SEEDS) {
    const plan = planOf(seed);
    assert.ok(plan.isHarsh);
    const { violations, rots } = await runBlockSeed(seed, plan);
    assert.equal(violations, [], `seed ${seed}`);
    rotted += rots;
  }
  assert.ok(rotted >= SEEDS.length, `${rotted} blocks rotted`);
});

test.run();
