// Blocks that a layer's table knows to be missing are brought; one that no node has any more ends it, or is left where that
// was asked for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fillLayers } from '../../../blockd/layers/layer-seed.ts';
import { DATA } from '../../../blockd/table/version-run.ts';
import { codeOf } from '../../../common/errors.ts';
import { isSettled, settle } from './manual-clock.ts';
import { type SmallImage, smallImage } from './small-image.ts';

const JOB = {
  source: '',
  rateBytesPerSecond: Number.MAX_SAFE_INTEGER,
  progress: () => undefined,
  signal: new AbortController().signal,
};

/** Two blocks are asked for of the last member, as those before had none. */
async function askedOfAll(leavesLost: boolean): Promise<SmallImage & { filling: Promise<void> }> {
  const small = await smallImage([3, 7]);
  const { image, clock, source } = small;
  const filling = fillLayers({ ...JOB, leavesLost }, [image.stack.top], clock);
  filling.catch(() => undefined);
  await settle();
  source.deny();
  await settle();
  assert.equal(
    source.asked.map(({ node, runs }) => [node, runs[0]?.first]),
    [
      ['c', 3],
      ['c', 7],
    ],
  );
  return { ...small, filling };
}

test('one that no node has ends it', async () => {
  const { source, filling } = await askedOfAll(false);
  source.deny();
  await settle();
  assert.is(await filling.catch((error: unknown) => codeOf(error)), 'BLOCKS_LOST');
});

test('where it may be left, the others are waited for all the same', async () => {
  const { source, store, filling } = await askedOfAll(true);
  source.deny();
  await settle();
  assert.not(await isSettled(filling));
  source.give(9);
  // What was lost is asked for once more, by itself.
  for (await settle(); source.asked.length > 0; await settle()) source.deny();
  await settle();
  assert.ok(await isSettled(filling));
  assert.equal(
    [3, 7].map((block) => store.table.contentOf(block) === DATA),
    [true, false],
  );
});

test.run();
