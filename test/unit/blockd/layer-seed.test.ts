// Blocks that a layer's table knows to be missing are brought; one that no node has any more ends it, or is left where that
// was asked for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fillLayers } from '../../../blockd/layers/layer-seed.ts';
import { DATA } from '../../../blockd/table/version-run.ts';
import { codeOf } from '../../../common/errors.ts';
import { learn } from './learnt.ts';
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
  const { source, store, clock, filling } = await askedOfAll(true);
  source.deny();
  await settle();
  assert.not(await isSettled(filling));
  source.give(9);
  // What was lost is asked for once more, by itself.
  for (await clock.advance(1); source.asked.length > 0; await clock.advance(1)) source.deny();
  assert.ok(await isSettled(filling));
  assert.equal(
    [3, 7].map((block) => store.table.contentOf(block) === DATA),
    [true, false],
  );
});

test('what another one asked for, under a name that is older by now, is asked for anew', async () => {
  const { image, clock, source, store } = await smallImage([3]);
  const { top } = image.stack;
  const pushed = top.fetch(3, 4, 'background');
  await settle();
  const filling = fillLayers(JOB, [top], clock);
  await settle();
  assert.is(source.asked.length, 1, 'it waits for the other one');
  learn(store.table, 3, [256, 2], store.holderIndex('b'), { fill: 8 });
  source.give(9);
  await pushed;
  await settle();
  assert.not(await isSettled(filling), 'the newer one has not come');
  await clock.advance(1);
  assert.is(source.asked.length, 1, 'it is asked for');
  source.give(8);
  await settle();
  assert.ok(await isSettled(filling));
  assert.ok(store.table.allInFile(3, 4));
});

test.run();
