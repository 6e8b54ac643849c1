// Marks are durable before anyone writes, and whoever waits at the same time shares one record.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ActiveExtents, EXTENT_BLOCKS } from '../../../blockd/store/active-extents.ts';
import { ExtentMarks } from '../../../blockd/store/extent-marks.ts';
import { StoreJournal } from '../../../blockd/store/store-journal.ts';
import { StoreRecord } from '../../../blockd/store/store-record.ts';
import { ZeroBlocks } from '../../../blockd/store/zero-blocks.ts';
import { VersionTable } from '../../../blockd/table/version-table.ts';
import { codeOf } from '../../../common/errors.ts';
import { Journal } from '../../../common/journal/journal.ts';
import { FaultyDisk } from '../common/faulty-disk.ts';
import { settle } from './manual-clock.ts';

const PATH = '/images/web.journal';
const EXTENTS = 200;

interface Marked {
  readonly disk: FaultyDisk;
  readonly active: ActiveExtents;
  readonly marks: ExtentMarks;
}

/** Marks on a new journal; its syncs wait for the promise. */
async function fresh(synced: Promise<void> = Promise.resolve()): Promise<Marked> {
  const disk = new FaultyDisk();
  const open = disk.open.bind(disk);
  let waitsFor = Promise.resolve();
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    return { ...file, datasync: () => waitsFor.then(() => file.datasync()) };
  };
  const { journal } = await Journal.open(disk, PATH, StoreRecord);
  waitsFor = synced;
  const active = new ActiveExtents(EXTENTS * EXTENT_BLOCKS);
  const data = await disk.open('/images/web.data', 'write');
  const zeros = new ZeroBlocks(new VersionTable(active.blocks), data, () => false);
  const spoilt = { settle: async () => Buffer.alloc(0) };
  const parts = { active, journal: new StoreJournal('web', journal), zeros, spoilt, kernelRun: disk.kernelRun };
  return { disk, active, marks: new ExtentMarks(parts) };
}

/** The extents of each mark that a power cut would leave. */
async function durableMarks(disk: FaultyDisk): Promise<(readonly number[] | undefined)[]> {
  const { records } = await Journal.open(disk.powerCut(), PATH, StoreRecord);
  return records.map(({ active }) => active);
}

const extents = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index);
const makeAll = (marks: ExtentMarks, wanted: readonly number[]): Promise<void>[] =>
  wanted.map((extent) => marks.make(extent * EXTENT_BLOCKS + 7, extent * EXTENT_BLOCKS + 8));

test('who waits shares a record; who comes while it is being written waits for the next', async () => {
  const synced = Promise.withResolvers<void>();
  const { disk, active, marks } = await fresh(synced.promise);
  const first = makeAll(marks, extents(0, 1));
  await settle();
  const second = makeAll(marks, extents(1, 150));
  await settle();
  assert.equal(active.list(), [], 'no one may write before its mark is durable');
  synced.resolve();
  await Promise.all([...first, ...second]);
  assert.equal(active.list(), extents(0, 151));
  assert.equal(await durableMarks(disk), [[0], extents(1, 150)]);
});

test('a mark is durable with its answer, and once is enough', async () => {
  const { disk, active, marks } = await fresh();
  await marks.make(0, 2 * EXTENT_BLOCKS + 1);
  assert.equal(await durableMarks(disk), [[0, 1, 2]]);
  await Promise.all(makeAll(marks, [2, 2, 5]));
  await marks.make(0, 1);
  assert.equal(await durableMarks(disk), [[0, 1, 2], [5]]);
  assert.ok(active.touch(0, 1));
});

test('a load that goes through the image is marked ahead, to the end of the image at most', async () => {
  const { disk, active, marks } = await fresh();
  for (const extent of extents(0, 12)) await Promise.all(makeAll(marks, [extent]));
  assert.equal(await durableMarks(disk), [[0], extents(1, 8), extents(9, 8)]);
  await Promise.all(makeAll(marks, [100, EXTENTS - 4]));
  await Promise.all(makeAll(marks, [EXTENTS - 3]));
  assert.equal((await durableMarks(disk)).slice(-2), [[100, EXTENTS - 4], extents(EXTENTS - 3, 3)]);
  assert.equal(active.list(), [...extents(0, 17), 100, ...extents(EXTENTS - 4, 4)]);
});

test('without room all who share the record hear of it, and are marked once there is', async () => {
  const { disk, active, marks } = await fresh();
  disk.before = (step) => {
    if (step.startsWith('write')) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  };
  const answers = await Promise.allSettled(makeAll(marks, [3, 4]));
  for (const answer of answers) assert.is(answer.status === 'rejected' && codeOf(answer.reason), 'ENOSPC');
  assert.equal(active.list(), []);
  disk.before = () => undefined;
  await Promise.all(makeAll(marks, [4, 3]));
  assert.equal(active.list(), [3, 4]);
  assert.equal(await durableMarks(disk), [[4, 3]]);
});

test.run();
