// Disks that are cut, grown and merged under their guest, moved, and read at several nodes while they are closed, under faults:
// what was there stays, what is new is zeros, and a reader sees what was closed and nothing else, also one that was cut off.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planWithLayers, runBlockSeed } from './block-run.ts';

/** In the second a store is asked to show layers that it is still merging. */
const SEEDS = [3, 200_206, 4, 6, 8, 17, 23, 11, 12, 259];

test(`${SEEDS.length} worlds: old content stays, new is zeros, readers and a writer exclude each other`, async () => {
  const sums = { growths: 0, merges: 0, reads: 0, lateReads: 0 };
  for (const seed of SEEDS) {
    const { violations, ...result } = await runBlockSeed(seed, planWithLayers(seed));
    assert.equal(violations, [], `seed ${seed}`);
    for (const key of ['growths', 'merges', 'reads', 'lateReads'] as const) sums[key] += result[key];
  }
  console.log(JSON.stringify(sums));
  assert.ok(sums.growths > SEEDS.length && sums.merges > SEEDS.length && sums.reads > 100 * SEEDS.length);
  assert.ok(sums.lateReads > SEEDS.length, 'readers that were cut off');
});

test.run();
