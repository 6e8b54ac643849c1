// Real stores under faults: a swarm of seeds (`block-run.ts` for more of them), and that the swarm finds what it is for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CachedCopies } from '../../blockd/store/cached-copies.ts';
import { VersionTable } from '../../blockd/table/version-table.ts';
import { runBlockSeeds } from './block-run.ts';

const SEEDS = 30;

async function broken(first: number, count: number, enough = Number.POSITIVE_INFINITY): Promise<string[]> {
  const failures: string[] = [];
  for (let seed = first; seed < first + count && failures.length < enough; seed++) {
    await runBlockSeeds(seed, 1, ({ violations }) => failures.push(`seed ${seed}: ${violations.join('; ')}`));
  }
  return failures;
}

test(`${SEEDS} worlds: no read is wrong, no flushed write is lost, nobody writes beside another, all comes to its end`, async () => {
  assert.equal(await broken(1, SEEDS), []);
});

test('a store that forgets what a killed daemon had written is found out', async () => {
  const { adoptWrites } = VersionTable.prototype;
  VersionTable.prototype.adoptWrites = () => undefined;
  try {
    assert.ok((await broken(1, SEEDS)).length > 0);
  } finally {
    VersionTable.prototype.adoptWrites = adoptWrites;
  }
});

test('a store that promises to keep what it has not got is found out', async () => {
  const { promises } = CachedCopies.prototype;
  CachedCopies.prototype.promises = () => true;
  try {
    assert.ok((await broken(1001, SEEDS, 1)).length > 0);
  } finally {
    CachedCopies.prototype.promises = promises;
  }
});

test.run();
