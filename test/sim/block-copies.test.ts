// Disks whose answers mean copies at other nodes, under faults: what was flushed is on as many disks as the policy says, at
// every moment since, whatever is moved, killed, cut, frozen or full.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planWithCopies, runBlockSeeds } from './block-run.ts';

/** In the first six bugs show that are rare (`test/planted/copy-mutants.ts`). */
const SEEDS = [19, 23, 32, 41, 60, 1023, ...Array.from({ length: 12 }, (_, index) => index + 1)];

test(`${SEEDS.length} worlds: what was answered under a policy with copies is on as many disks, and stays there`, async () => {
  const failures: string[] = [];
  let looks = 0;
  for (const seed of SEEDS) {
    const sums = await runBlockSeeds(
      seed,
      1,
      (result) => failures.push(`seed ${result.seed}: ${result.violations.join('; ')}`),
      planWithCopies,
    );
    looks += sums.looks;
    if (failures.length > 0) break;
  }
  assert.equal(failures, []);
  assert.ok(looks > 10 * SEEDS.length, `${looks} looks at copies`);
});

test.run();
