// Disks whose answers mean copies and that are cut, grown and merged besides: what was flushed is on as many disks as the
// policy says, as their layers show it, also where a store gets from others what they have merged.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planWithCopiedLayers, runBlockSeed } from './block-run.ts';

/** Bugs show in them that most do not find (`test/planted/copy-mutants.ts`). */
const SEEDS = [3, 113, 64, 161, 189, 25, 183, 2, 19, 27, 40, 61, 77, 251];

test(`${SEEDS.length} worlds: copies over layers stay while they are merged`, async () => {
  const sums = { merges: 0, looks: 0 };
  for (const seed of SEEDS) {
    const { violations, merges, looks } = await runBlockSeed(seed, planWithCopiedLayers(seed));
    assert.equal(violations, [], `seed ${seed}`);
    sums.merges += merges;
    sums.looks += looks;
  }
  assert.ok(sums.merges > SEEDS.length && sums.looks > 10 * SEEDS.length, JSON.stringify(sums));
});

test.run();
