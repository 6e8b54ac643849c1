// A store that kept a copy and then hears newer names from elsewhere: what the copy left in its file is no write of a client,
// whenever its daemon is killed.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KeptTable } from '../../../../blockd/copies/kept-table.ts';
import { TableFollower } from '../../../../blockd/peer/table-follower.ts';
import type { ImageStore } from '../../../../blockd/store/image-store.ts';
import { DATA, HERE, RunWriter } from '../../../../blockd/table/version-run.ts';
import { codeOf } from '../../../../common/errors.ts';
import type { Closing } from '../../../../wire/contracts/blockd.ts';
import { CrashDisk } from '../../../crash/crash-disk.ts';
import { sumOf } from '../learnt.ts';
import { BLOCKS, imageOf, reopen, standbyStore } from '../small-image.ts';
import { blockOf } from './copy-stores.ts';

const OVERWRITTEN = 3;
const ZEROED = 5;
const MARK = { lastSequence: 1, entries: 2, digest: '0'.repeat(32) };
const FROM = { node: 'a', address: '127.0.0.1' };

/** Entries of the two blocks: the first with data, the second with data or zeros, of epoch 1. */
function entries(sequence: number, fill: number, secondFlags: number): Buffer {
  const runs = new RunWriter();
  runs.add(OVERWRITTEN, 1, 256, sequence, DATA | HERE, 0, sumOf(fill));
  runs.add(ZEROED, 1, 256, sequence, secondFlags, 0, (secondFlags & DATA) === 0 ? 0 : sumOf(fill));
  return runs.finish();
}

/** A copy of two blocks of version 1, whose writer then told, by its table alone, of data and of zeros in their place. */
async function overtaken(disk: CrashDisk): Promise<{ store: ImageStore; closing: Closing }> {
  const store = await standbyStore(disk);
  const kept = new KeptTable(store, 'a');
  for (const first of [OVERWRITTEN, ZEROED]) kept.content({ first, count: 1, high: 256, low: 1 }, blockOf(7));
  assert.is(kept.begin(BLOCKS, []) || kept.entries(entries(1, 7, DATA | HERE)), '');
  kept.marked(MARK);
  await kept.apply(() => true);
  assert.equal(store.active.list(), [0], 'what a copy takes over is written under a mark');
  const follower = new TableFollower(store, 'a');
  assert.ok(follower.begin(false, BLOCKS, []) && follower.entries(entries(2, 9, HERE)));
  store.table.lastSequence = 2;
  return { store, closing: { image: 'web', epoch: 1, generation: 1, ...store.table.mark } };
}

test('a kill between a new content and its record leaves a copy the content, under a version of its own', async () => {
  const disk = new CrashDisk();
  const store = await standbyStore(disk);
  const kept = new KeptTable(store, 'a');
  assert.is(kept.begin(BLOCKS, []), '');
  for (const [sequence, fill] of [
    [1, 7],
    [2, 9],
  ] as const) {
    for (const first of [OVERWRITTEN, ZEROED])
      kept.content({ first, count: 1, high: 256, low: sequence }, blockOf(fill));
    assert.is(kept.entries(entries(sequence, fill, DATA | HERE)), '');
    kept.marked({ ...MARK, lastSequence: sequence });
    await kept.apply(() => true);
    if (sequence === 1) await store.flush();
  }
  const again = await reopen(disk);
  for (const block of [OVERWRITTEN, ZEROED]) {
    assert.ok(again.file.isSound(block), 'what was flushed, or what is newer');
    assert.is(again.table.sumOf(block), sumOf(9));
  }
});

test('a full disk that takes a part of new contents leaves none under an older name (S9)', async () => {
  const disk = new CrashDisk();
  const store = await standbyStore(disk);
  const kept = new KeptTable(store, 'a');
  assert.is(kept.begin(BLOCKS, []), '');
  const tell = (sequence: number, fill: number, blocks: readonly number[]): void => {
    const runs = new RunWriter();
    for (const first of blocks) {
      kept.content({ first, count: 1, high: 256, low: sequence }, blockOf(fill));
      runs.add(first, 1, 256, sequence, DATA | HERE, 0, sumOf(fill));
    }
    assert.is(kept.entries(runs.finish()), '');
    kept.marked({ ...MARK, lastSequence: sequence });
  };
  tell(1, 7, [OVERWRITTEN]);
  await kept.apply(() => true);
  await store.flush();
  disk.isFull = true;
  tell(2, 9, [OVERWRITTEN, OVERWRITTEN + 1]);
  assert.is(codeOf(await kept.apply(() => true).catch((error: unknown) => error)), 'ENOSPC');
  disk.isFull = false;
  await store.commit({ clean: true });
  const again = await reopen(disk);
  assert.ok(again.file.isSound(OVERWRITTEN), 'what was flushed, or what is newer');
  assert.equal([again.table.sumOf(OVERWRITTEN), again.table.contentOf(OVERWRITTEN + 1)], [sumOf(9), 0]);
});

test('after it was opened for writing a kill of its daemon brings nothing older back (A3, A7)', async () => {
  const disk = new CrashDisk();
  const { store, closing } = await overtaken(disk);
  await imageOf(store).open(2, closing, null);
  const again = await reopen(disk);
  assert.equal([again.table.contentOf(OVERWRITTEN), again.table.contentOf(ZEROED)], [DATA, HERE]);
  assert.is(again.table.mark.digest, closing.digest);
});

test('a stand-by that was verified is so still after a kill of its daemon', async () => {
  const disk = new CrashDisk();
  const { store, closing } = await overtaken(disk);
  const image = imageOf(store);
  await image.standBy(2, '00000000000000aa', FROM);
  await image.verified(closing);
  const { state, table } = await reopen(disk);
  assert.ok(state.verified);
  assert.equal(table.mark, { lastSequence: 2, entries: 2, digest: closing.digest });
});

test('a replica that has the table of a closing has it still after a kill of its daemon', async () => {
  const disk = new CrashDisk();
  const { store, closing } = await overtaken(disk);
  await store.flush();
  const { table } = await reopen(disk);
  assert.equal(table.mark, { lastSequence: 2, entries: 2, digest: closing.digest });
});

test('what it then writes itself a kill of its daemon leaves', async () => {
  const disk = new CrashDisk();
  const { store, closing } = await overtaken(disk);
  const image = imageOf(store);
  await image.open(2, closing, null);
  await image.write(ZEROED * blockOf(0).length, blockOf(8), false);
  const { table } = await reopen(disk);
  assert.equal([table.contentOf(OVERWRITTEN), table.contentOf(ZEROED)], [DATA, DATA | HERE]);
  assert.is(table.sumOf(ZEROED), sumOf(8));
});

test.run();
