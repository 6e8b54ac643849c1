// A journal's head is replaced while appends go on: whatever fails and whenever the power does, the old head or the new one
// is there, and every append that was answered.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Journal } from '../../../common/journal/journal.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { Entry, PATH, read } from './journal-records.ts';
import { failure } from './members.ts';

/** A journal whose first three appends are to be replaced, and where the third ends. */
async function headed(disk: FaultyDisk) {
  const { journal } = await Journal.open(disk, PATH, Entry);
  for (const n of [1, 2, 3]) await journal.append({ n });
  const headBytes = journal.sizeBytes;
  return { journal, headBytes };
}

test('a head is replaced, and what was appended since stays', async () => {
  const disk = new FaultyDisk();
  const { journal, headBytes } = await headed(disk);
  await journal.append({ n: 4, text: 'long'.repeat(600_000) });
  const replaced = journal.replaceHead([{ n: 10 }, { n: 11 }], headBytes);
  await Promise.all([replaced, ...[5, 6, 7].map((n) => journal.append({ n }))]);
  await journal.append({ n: 8 });
  assert.equal((await read(disk.powerCut())).numbers, [10, 11, 4, 5, 6, 7, 8]);
  await journal.replaceHead([{ n: 12 }], journal.sizeBytes);
  assert.equal((await read(disk.powerCut())).numbers, [12]);
  assert.equal(await disk.list('/state'), ['test.journal']);
});

test('appends go on while a head is replaced, and one that comes at the end is kept too', async () => {
  const disk = new FaultyDisk();
  const { journal, headBytes } = await headed(disk);
  const open = disk.open.bind(disk);
  const hold = Promise.withResolvers<void>();
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    return { ...file, datasync: () => hold.promise.then(() => file.datasync()) };
  };
  const replaced = journal.replaceHead([{ n: 10 }], headBytes);
  for (const n of [4, 5]) await journal.append({ n });
  assert.equal((await read(disk.powerCut())).numbers, [1, 2, 3, 4, 5], 'the old file has them');
  hold.resolve();
  await replaced;
  assert.equal((await read(disk.powerCut())).numbers, [10, 4, 5]);
});

test('a power cut at any step of replacing a head leaves one or the other, and every append', async () => {
  const outcomes = new Set<string>();
  for (let lastStep = 0; lastStep < 40; lastStep += 1) {
    const disk = new FaultyDisk();
    const { journal, headBytes } = await headed(disk);
    await journal.append({ n: 4 });
    let steps = 0;
    disk.before = () => {
      if (steps >= lastStep) throw new Error('the power is off');
      steps += 1;
    };
    const replaced = journal.replaceHead([{ n: 10 }], headBytes);
    const [, appended] = await Promise.allSettled([replaced, journal.append({ n: 5 })]);
    const { numbers } = await read(disk.powerCut());
    const isKept = ['1,2,3,4', '10,4', '1,2,3,4,5', '10,4,5'].includes(numbers.join());
    assert.ok(isKept, `after step ${lastStep}: ${numbers}`);
    if (appended.status === 'fulfilled') assert.ok(numbers.includes(5), `after step ${lastStep}: ${numbers}`);
    outcomes.add(numbers.join());
  }
  assert.ok(outcomes.has('1,2,3,4') && outcomes.has('10,4,5'), [...outcomes].join(' or '));
});

test('without room for a new head the journal is as it was, and goes on', async () => {
  for (let nth = 1; nth <= 3; nth += 1) {
    const disk = new FaultyDisk();
    const { journal, headBytes } = await headed(disk);
    await journal.append({ n: 4 });
    let writes = 0;
    disk.before = (step) => {
      if (!step.startsWith('write') || !step.includes('.rewrite')) return;
      writes += 1;
      if (writes === nth) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    };
    assert.is((await failure(journal.replaceHead([{ n: 10 }], headBytes))).code, 'JOURNAL_FAILED');
    assert.is(journal.failure, undefined);
    await journal.append({ n: 5 });
    assert.equal((await read(disk.powerCut())).numbers, [1, 2, 3, 4, 5]);
    await journal.replaceHead([{ n: 11 }], headBytes);
    assert.equal((await read(disk.powerCut())).numbers, [11, 4, 5]);
  }
});

test.run();
