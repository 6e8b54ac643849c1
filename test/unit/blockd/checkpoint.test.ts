// A checkpoint goes on beside the image: requests are answered meanwhile, what they changed is kept, and a disk without
// room leaves the old table and the journal as they are.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLayer } from '../../../blockd/store/image-files.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { foldRecords, StoreRecord } from '../../../blockd/store/store-record.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { VersionTable } from '../../../blockd/table/version-table.ts';
import type { DiskFile } from '../../../common/disk/disk.ts';
import { codeOf } from '../../../common/errors.ts';
import { Journal } from '../../../common/journal/journal.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { settle } from './manual-clock.ts';
import { LAYER, reopen } from './small-image.ts';
import { runsOf } from './table-runs.ts';

const BLOCKS = 16;
const ENOSPC = (): Promise<never> => Promise.reject(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }));

/** A store of which each barrier writes a checkpoint, with one in it already. */
async function storeOn(disk: CrashDisk): Promise<ImageStore> {
  await (
    await createLayer(disk, '/images', { image: 'web', layer: LAYER, bytes: BLOCKS * BLOCK_BYTES, isOrigin: true })
  ).close();
  const store = await reopen(disk, 0);
  await write(store, 0, 1);
  await settle();
  return store;
}

/** A durable change of one block. */
async function write(store: ImageStore, block: number, sequence: number): Promise<void> {
  store.table.zero(block, block + 1, { epoch: 1, sequence });
  await store.flush();
}

/** Puts something in the way of files whose names have that word. */
function change(disk: CrashDisk, word: string, changed: (file: DiskFile) => Partial<DiskFile>): () => void {
  const open = disk.open.bind(disk);
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    return path.includes(word) ? { ...file, ...changed(file) } : file;
  };
  return () => {
    disk.open = open;
  };
}

/** Lets writes of files wait that have that word in their names. */
function hold(disk: CrashDisk, word: string): () => void {
  const held = Promise.withResolvers<void>();
  change(disk, word, (file) => ({ write: (bytes, offset) => held.promise.then(() => file.write(bytes, offset)) }));
  return held.resolve;
}

const tables = async (disk: CrashDisk): Promise<string[]> =>
  (await disk.list('/images')).filter((name) => name.includes('table') || name.includes('rewrite'));

/** Exactly this is durable, and its sums are those of its entries. */
async function assertDurable(disk: CrashDisk, table: VersionTable): Promise<void> {
  const again = await reopen(disk.afterCut({ kind: 'lose-all' }));
  assert.equal(again.table.mark, table.mark);
  assert.ok(runsOf(again.table).equals(runsOf(table)));
  const anew = new VersionTable(BLOCKS);
  anew.restore([runsOf(again.table)]);
  assert.is(anew.mark.digest, again.table.mark.digest);
}

for (const word of ['.table-', '.rewrite']) {
  test(`flushes are answered while a checkpoint waits for its ${word} file, and are in what follows it`, async () => {
    const disk = new CrashDisk();
    const store = await storeOn(disk);
    const before = await tables(disk);
    const release = hold(disk, word);
    await write(store, 1, 2);
    await settle();
    await write(store, 1, 3);
    await write(store, 2, 4);
    await assertDurable(disk, store.table);
    store.table.zero(3, 4, { epoch: 1, sequence: 5 });
    release();
    await settle();
    assert.not.equal(await tables(disk), before, 'the new table has taken the place of the old');
    assert.is((await tables(disk)).length, 1);
    await store.flush();
    await assertDurable(disk, store.table);
    await settle();
    await assertDurable(disk, store.table);
  });
}

test('a checkpoint has the table of its barrier, not what was written meanwhile', async () => {
  const disk = new CrashDisk();
  const store = await storeOn(disk);
  const release = hold(disk, '.table-');
  await write(store, 1, 2);
  store.table.zero(2, 3, { epoch: 1, sequence: 3 });
  release();
  await settle();
  assert.is((await reopen(disk.afterCut({ kind: 'lose-all' }))).table.mark.entries, 2);
});

test('nor what was written while the barrier was on its way', async () => {
  for (let turns = 0; turns < 60; turns++) {
    const disk = new CrashDisk();
    const store = await storeOn(disk);
    store.table.zero(1, 2, { epoch: 1, sequence: 2 });
    const flushed = store.flush();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    store.table.zero(2, 3, { epoch: 1, sequence: 3 });
    await flushed;
    await settle();
    assert.is((await reopen(disk.afterCut({ kind: 'lose-all' }))).failure, undefined, `${turns} turns later`);
    await store.flush();
    await assertDurable(disk, store.table);
  }
});

test('a checkpoint and a reservation at the same time: no number is reserved for the journal before alone', async () => {
  for (let turns = 0; turns < 40; turns++) {
    const disk = new CrashDisk();
    const store = await storeOn(disk);
    store.table.zero(1, 2, { epoch: 1, sequence: 2 });
    const flushed = store.flush();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await Promise.all([flushed, store.reserve()]);
    await settle();
    let last = 0;
    for (let next = store.takeSequence(); next !== undefined; next = store.takeSequence()) last = next;
    const again = await reopen(disk.afterCut({ kind: 'lose-all' }));
    await again.reserve();
    assert.ok(last > 0 && (again.takeSequence() ?? 0) > last, `${turns} turns apart`);
  }
});

test('marks and a state that come during a checkpoint are kept', async () => {
  const disk = new CrashDisk();
  const store = await storeOn(disk);
  const release = hold(disk, '.rewrite');
  await write(store, 1, 2);
  await settle();
  await store.commit({ state: { role: 'writer', epoch: 7 } });
  await store.activate(0, 1);
  release();
  await settle();
  const { records } = await Journal.open(disk.afterCut({ kind: 'lose-all' }), `/images/${LAYER}.journal`, StoreRecord);
  const fold = foldRecords(records);
  assert.equal([fold?.header.table, fold?.state.epoch, [...(fold?.active ?? [])]], [2, 7, [0]]);
});

for (const [where, word, changed] of [
  ['the new table', '.table-', { allocate: ENOSPC }],
  ['the new table when it is written', '.table-', { write: ENOSPC }],
  ['the new table when it is synced', '.table-', { datasync: ENOSPC }],
  ['the new journal', '.rewrite', { write: ENOSPC }],
] as const) {
  test(`without room for ${where} a checkpoint is put off, and flushes hold`, async () => {
    const disk = new CrashDisk();
    const store = await storeOn(disk);
    const before = await tables(disk);
    let tried = 0;
    const mend = change(disk, word, () => {
      tried++;
      return changed;
    });
    for (let sequence = 2; sequence <= 21; sequence++) {
      await write(store, 1, sequence);
      await settle();
    }
    assert.ok(tried > 0 && tried < 10, `it was tried ${tried} times`);
    assert.is(store.failure, undefined);
    assert.equal(
      (await tables(disk)).filter((name) => name.includes('table')),
      before,
      'and takes no room',
    );
    await assertDurable(disk, store.table);
    mend();
    for (let sequence = 22; sequence <= 90; sequence++) {
      await write(store, 2, sequence);
      await settle();
    }
    assert.not.equal(await tables(disk), before, 'with room it goes through');
    await assertDurable(disk, store.table);
  });
}

test('a barrier that finds no room has no checkpoint, and the next one has', async () => {
  const disk = new CrashDisk();
  const store = await storeOn(disk);
  const before = await tables(disk);
  // There is room for the table, which is reserved first, but not for the barrier's record.
  change(disk, '.table-', () => ({ allocate: () => Promise.resolve() }));
  disk.isFull = true;
  store.table.zero(1, 2, { epoch: 1, sequence: 2 });
  assert.is(codeOf(await store.flush()?.catch((error: unknown) => error)), 'ENOSPC');
  await settle();
  assert.equal(await tables(disk), before);
  disk.isFull = false;
  await store.flush();
  await settle();
  assert.not.equal(await tables(disk), before);
  await assertDurable(disk, store.table);
});

test('a disk that fails under a checkpoint has failed for good (S2)', async () => {
  const disk = new CrashDisk();
  const store = await storeOn(disk);
  change(disk, '.table-', () => ({ datasync: () => Promise.reject(new Error('EIO')) }));
  await write(store, 1, 2);
  await settle();
  assert.is(store.failure?.code, 'STORE_FAILED');
  assert.is((await reopen(disk.afterCut({ kind: 'lose-all' }))).table.mark.entries, 2);
});

test('barriers that wait while the rename fails leave the table alone that the journal names by then', async () => {
  const disk = new CrashDisk();
  const store = await storeOn(disk);
  const rename = disk.rename.bind(disk);
  disk.rename = async (from, to) => {
    await rename(from, to);
    disk.syncDirectory = () => Promise.reject(new Error('EIO'));
  };
  for (let sequence = 2; store.failure === undefined; sequence++) {
    store.table.zero(1, 2, { epoch: 1, sequence });
    store.flush()?.catch(() => store.failure);
    await Promise.resolve();
  }
  await settle();
  assert.is((await reopen(disk.afterCut({ kind: 'keep-all' }))).table.mark.entries, 2);
});

test('a sound table that is not the one which the journal names is refused', async () => {
  const disk = new CrashDisk();
  const store = await storeOn(disk);
  const nameOf = async (): Promise<string> => `/images/${(await tables(disk))[0]}`;
  const before = await disk.readWhole(await nameOf());
  await write(store, 1, 2);
  await settle();
  const file = await disk.open(await nameOf(), 'write');
  await file.truncate(before.length);
  await file.write(before, 0);
  assert.is(await reopen(disk).then(() => 'it opened', codeOf), 'IMAGE_DAMAGED');
});

test('a store that is closed leaves no half table', async () => {
  const disk = new CrashDisk();
  const store = await storeOn(disk);
  const before = await tables(disk);
  const release = hold(disk, '.table-');
  await write(store, 1, 2);
  const closed = store.close();
  await settle();
  release();
  await closed;
  assert.equal(await tables(disk), before);
  await assertDurable(disk, store.table);
});

test.run();
