// Disks with recovery points, cut every second or so under faults: from the moment at which one has arrived its node alone has
// all of it, whatever its cache lets go of, while its layers are merged and the next one is on its way.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planWithPoints, runBlockSeed } from './block-run.ts';

/** In these: bugs of which no other test had shown any (`test/planted/point-mutants.ts`). */
const SEEDS = [141, 3159, 4093, 5218, 10026, 30143, 40064, 50898];

test(`${SEEDS.length} worlds: a recovery point is had of its node alone at any moment`, async () => {
  const sums = { merges: 0, points: 0, pointLooks: 0 };
  for (const seed of SEEDS) {
    const { violations, ...result } = await runBlockSeed(seed, planWithPoints(seed));
    assert.equal(violations, [], `seed ${seed}`);
    for (const key of ['merges', 'points', 'pointLooks'] as const) sums[key] += result[key];
  }
  console.log(JSON.stringify(sums));
  assert.ok(sums.merges > SEEDS.length && sums.points > SEEDS.length, JSON.stringify(sums));
  assert.ok(sums.pointLooks > 10 * SEEDS.length, JSON.stringify(sums));
});

test.run();
