// Real stores under faults: a swarm of seeds (`block-run.ts` for more of them), and that the swarm finds what it is for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CachedCopies } from '../../blockd/store/cached-copies.ts';
import { VersionTable } from '../../blockd/table/version-table.ts';
import { type BlockResult, planOf, planWithoutCopies, runBlockSeeds } from './block-run.ts';
import type { BlockPlan } from './block-world.ts';

const SEEDS = 12;
/** Near some in which much is pushed ahead: in most worlds nothing is. */
const PUSHING = 14;
const WITH_CHECKPOINTS = 6;
/** Near a seed that shows it: most worlds do not. */
const FORGETTING = 45;
/** For a planted bug, up to the first that shows it. */
const SEARCHED_SEEDS = 200;

/**
 * Whether one of some seeds shows a planted bug: where nobody follows, for a followed writer has a barrier every second,
 * which hides it.
 */
async function isFound(first: number): Promise<boolean> {
  let isBroken = false;
  const failed = (): void => {
    isBroken = true;
  };
  for (let seed = first; seed < first + SEARCHED_SEEDS && !isBroken; seed++)
    await runBlockSeeds(seed, 1, failed, () => ({ isPushed: false }));
  return isBroken;
}

function describe({ seed, violations }: BlockResult): string {
  return `seed ${seed}: ${violations.join('; ')}`;
}

test(`${SEEDS} worlds: no read is wrong, no flushed write is lost, nobody writes beside another, all comes to its end`, async () => {
  const failures: string[] = [];
  const failed = (result: BlockResult): unknown => failures.push(describe(result));
  const { pushedBlocks } = await runBlockSeeds(PUSHING, SEEDS, failed, planWithoutCopies);
  assert.equal(failures, []);
  assert.ok(pushedBlocks > SEEDS, `${pushedBlocks} blocks were pushed ahead`);
});

test(`${WITH_CHECKPOINTS} worlds in which journals are replaced by checkpoints, under faults and moves`, async () => {
  const failures: string[] = [];
  const failed = (result: BlockResult): unknown => failures.push(describe(result));
  const plan = (seed: number): BlockPlan => ({ ...planOf(seed), checkpointBytes: 1024 });
  await runBlockSeeds(101, WITH_CHECKPOINTS, failed, plan);
  assert.equal(failures, []);
});

test('a store that forgets what a killed daemon had written is found out', async () => {
  const { adoptWrites } = VersionTable.prototype;
  VersionTable.prototype.adoptWrites = () => undefined;
  try {
    assert.ok(await isFound(FORGETTING));
  } finally {
    VersionTable.prototype.adoptWrites = adoptWrites;
  }
});

test('a store that promises to keep what it has not got is found out', async () => {
  const { promises } = CachedCopies.prototype;
  CachedCopies.prototype.promises = () => true;
  try {
    assert.ok(await isFound(1001));
  } finally {
    CachedCopies.prototype.promises = promises;
  }
});

test.run();
