// Disks of which some snapshots are kept for a while, with and without copies, under faults: each store that shows one shows
// what the disk was at its cut, the same at every node, while its layers are copied, merged and let go; once forgotten it ends.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planWithSnapshots, runBlockSeed } from './block-run.ts';

/** In the first two bugs show that most do not find (`test/planted/reading-mutants.ts`). */
const SEEDS = [226, 17, 4, 16, 6, 5];

test(`${SEEDS.length} worlds: a snapshot that is shown reads as the disk was at its cut`, async () => {
  const sums = { merges: 0, snapshotReads: 0, lateSnapshotReads: 0 };
  for (const seed of SEEDS) {
    const { violations, ...result } = await runBlockSeed(seed, planWithSnapshots(seed));
    assert.equal(violations, [], `seed ${seed}`);
    for (const key of ['merges', 'snapshotReads', 'lateSnapshotReads'] as const) sums[key] += result[key];
  }
  console.log(JSON.stringify(sums));
  assert.ok(sums.merges > SEEDS.length && sums.snapshotReads > 30 * SEEDS.length, JSON.stringify(sums));
  assert.ok(sums.lateSnapshotReads > SEEDS.length, 'of some that were forgotten');
});

test.run();
