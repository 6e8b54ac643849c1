// A scrub that a person asked for: what it counts, how it ends, and the date that stays.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { Healings } from '../../../blockd/upkeep/healings.ts';
import { scrubImage } from '../../../blockd/upkeep/image-scrub.ts';
import { ScrubLedger } from '../../../blockd/upkeep/scrub-ledger.ts';
import { describeScrub } from '../../../cli/commands/image-scrub.ts';
import { codeOf } from '../../../common/errors.ts';
import { createLog } from '../../../common/log.ts';
import type { ScrubReport } from '../../../wire/contracts/blockd.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { isSettled } from './manual-clock.ts';
import { LAYER, type SmallImage, smallImage } from './small-image.ts';

const log = createLog('test', 'silent');
const OTHER = 'l00000000000000bb';

/** Eight blocks, of which some rotted on the disk and some cannot be read. */
async function spoilt(rotten: readonly number[], unreadable: readonly number[] = []): Promise<SmallImage> {
  const small = await smallImage();
  await small.image.write(0, Buffer.alloc(8 * BLOCK_BYTES, 9), true);
  const file = await small.disk.open(`/images/${LAYER}.data`, 'write');
  for (const block of rotten) await file.write(Buffer.from([1]), block * BLOCK_BYTES);
  for (const block of unreadable) small.disk.badPages.add(block);
  return small;
}

interface Scrubbing {
  readonly report: Promise<ScrubReport>;
  readonly told: (readonly [doneBytes: number, totalBytes: number])[];
  readonly done: string[];
  readonly end: AbortController;
}

function scrub({ image, clock }: SmallImage): Scrubbing {
  const told: Scrubbing['told'] = [];
  const done: string[] = [];
  const end = new AbortController();
  const job = {
    image: 'web',
    layers: image.stack.layers,
    healings: new Healings({ isHere: () => true, members: () => ['a', 'b', 'c'], clock, log }),
    progress: (doneBytes: number, totalBytes: number) => void told.push([doneBytes, totalBytes]),
    signal: end.signal,
    done: async (layer: string) => void done.push(layer),
  };
  return { report: scrubImage(job, clock, log), told, done, end };
}

const WELL = { unreadBlocks: 0, rottenBlocks: 0, healedBlocks: 0, lostBlocks: 0, waitingBlocks: 0 };

test('what is as written is counted, and told as it goes', async () => {
  const small = await spoilt([]);
  const { report, told, done } = scrub(small);
  await small.clock.advance(0);
  assert.equal(await report, { ...WELL, checkedBlocks: 8 });
  assert.equal(told.at(-1), [8 * BLOCK_BYTES, 8 * BLOCK_BYTES]);
  assert.equal(done, [LAYER]);
});

test('what rotted or cannot be read is healed by whoever has it, and lost where nobody has', async () => {
  const small = await spoilt([2], [5]);
  const { report } = scrub(small);
  await small.clock.advance(0);
  assert.equal(
    small.source.asked.map(({ runs }) => runs[0]?.first),
    [2, 5],
  );
  small.source.give(9);
  small.source.deny();
  await small.clock.advance(0);
  small.source.deny();
  assert.equal(await report, { ...WELL, checkedBlocks: 8, rottenBlocks: 2, healedBlocks: 1, lostBlocks: 1 });
  assert.ok(small.store.file.isSound(2));
});

test('what was lost before is told again by each scrub, and no longer once somebody has it', async () => {
  const small = await spoilt([2]);
  for (const how of ['lost', 'lost', 'had'] as const) {
    const { report } = scrub(small);
    await small.clock.advance(0);
    if (how === 'had') small.source.give(9);
    else
      for (let member = 0; member < 2; member++) {
        small.source.deny();
        await small.clock.advance(0);
      }
    const { rottenBlocks, lostBlocks } = await report;
    assert.equal([rottenBlocks, lostBlocks], how === 'lost' ? [1, 1] : [0, 0]);
  }
  assert.ok(small.store.file.isSound(2));
});

test('what was lost before and waits for a holder is not said to be well', async () => {
  const small = await spoilt([2]);
  const first = scrub(small);
  await small.clock.advance(31_000);
  assert.is((await first.report).waitingBlocks, 1);
  const again = scrub(small);
  await small.clock.advance(31_000);
  assert.equal(await again.report, { ...WELL, checkedBlocks: 7, rottenBlocks: 1, waitingBlocks: 1 });
});

test('what a merge has not moved yet is not looked for, nor called lost', async () => {
  const small = await spoilt([2]);
  const first = scrub(small);
  await small.clock.advance(31_000);
  await first.report;
  const sealed = { layer: OTHER, bytes: 4096, lastSequence: 1, entries: 1, digest: 'ab'.repeat(16) };
  await small.store.commit({ state: { merging: { from: sealed, into: sealed, merged: sealed } } });
  const again = scrub(small);
  await small.clock.advance(31_000);
  assert.equal(await again.report, { ...WELL, checkedBlocks: 7 });
});

test('a layer whose file cannot be looked at is not said to be well, nor to have been read', async () => {
  const small = await spoilt([]);
  small.store.file.findSpoilt = () => Promise.reject(new Error('file closed'));
  const { report, done } = scrub(small);
  await small.clock.advance(0);
  assert.equal(await report, { ...WELL, checkedBlocks: 0, unreadBlocks: 8 });
  assert.equal(done, []);
});

test('a holder that does not answer is waited for half a minute, and the block is fetched later all the same', async () => {
  const small = await spoilt([2]);
  const { report } = scrub(small);
  await small.clock.advance(29_000);
  assert.not(await isSettled(report));
  await small.clock.advance(1_500);
  assert.is((await report).waitingBlocks, 1);
  while (small.source.asked.length > 0) small.source.give(9);
  assert.ok(small.store.file.isSound(2));
});

test('one that is given up, and one whose store has failed, say so', async () => {
  const small = await spoilt([]);
  const given = scrub(small);
  given.end.abort();
  await small.clock.advance(0);
  assert.is(codeOf(await given.report.catch((error: unknown) => error)), 'CANCELLED');
  small.disk.failsSync = () => true;
  await small.image.write(0, Buffer.alloc(BLOCK_BYTES), true)?.catch(() => undefined);
  const failed = scrub(small);
  await small.clock.advance(0);
  assert.is(codeOf(await failed.report.catch((error: unknown) => error)), 'STORE_FAILED');
  assert.equal(failed.done, []);
});

test('the date is that of the layer that was read longest ago, and outlives the daemon', async () => {
  const disk = new CrashDisk();
  const ledger = new ScrubLedger(disk, '/state/scrubs.json');
  await ledger.load();
  assert.is(ledger.oldestOf([LAYER]), null);
  await ledger.note(LAYER, 2_000, [LAYER, OTHER]);
  assert.is(ledger.oldestOf([LAYER, OTHER]), null, 'one of them was never read');
  await ledger.note(OTHER, 1_000, [LAYER, OTHER]);
  const again = new ScrubLedger(disk.afterCut({ kind: 'lose-all' }), '/state/scrubs.json');
  await again.load();
  assert.is(again.oldestOf([LAYER, OTHER]), 1_000);
  await again.note(LAYER, 3_000, [LAYER]);
  assert.is(again.oldestOf([OTHER]), null, 'a layer that is gone is forgotten');
});

test('a person is told in one line', () => {
  const none = { ...WELL, checkedBlocks: 256 };
  assert.match(describeScrub('web', 'a', none), /^image web at a: 1\.0 MB read, all as written$/);
  const some = { ...none, rottenBlocks: 4, healedBlocks: 2, lostBlocks: 1, waitingBlocks: 1 };
  const unread = describeScrub('web', 'a', { ...none, unreadBlocks: 3 });
  assert.match(unread, /1\.0 MB read, 3 blocks COULD NOT BE READ \(.*\), what was read is as written$/);
  assert.match(describeScrub('web', 'a', some), /4 blocks rotten: 2 healed from other nodes, 1 LOST .*, 1 wait for/);
});

test.run();
