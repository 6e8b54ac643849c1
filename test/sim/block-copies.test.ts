// Disks whose answers mean copies at other nodes, under faults: what was flushed is on as many disks as the policy says, at
// every moment since, whatever is killed, cut, frozen or full.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planWithCopies, runBlockSeeds } from './block-run.ts';

const SEEDS = 16;
const FIRST = 1;

test(`${SEEDS} worlds: what was answered under a policy with copies is on as many disks, and stays there`, async () => {
  const failures: string[] = [];
  let looks = 0;
  for (let seed = FIRST; seed < FIRST + SEEDS && failures.length === 0; seed++) {
    const sums = await runBlockSeeds(
      seed,
      1,
      (result) => failures.push(`seed ${result.seed}: ${result.violations.join('; ')}`),
      planWithCopies,
    );
    looks += sums.looks;
  }
  assert.equal(failures, []);
  assert.ok(looks > 10 * SEEDS, `${looks} looks at copies`);
});

test.run();
