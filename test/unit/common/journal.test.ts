// A journal keeps what it answered for: through torn tails at every byte, failed writes and syncs, power cuts at every
// step, and says so when its bytes were damaged.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Type } from '#typebox';
import { realDisk } from '../../../common/disk/disk.ts';
import { Journal } from '../../../common/journal/journal.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { Entry, entries, PATH, read } from './journal-records.ts';
import { failure } from './members.ts';

/** A journal of so many appends, and where each of them ends. */
async function written(count: number): Promise<{ bytes: Buffer; ends: number[] }> {
  const disk = new FaultyDisk();
  const { journal } = await Journal.open(disk, PATH, Entry);
  const ends = [journal.sizeBytes];
  for (const entry of entries(count)) {
    await journal.append(entry);
    ends.push(journal.sizeBytes);
  }
  await journal.close();
  return { bytes: disk.bytesOf(PATH), ends };
}

test('records come back in order, on a real disk', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'journal-'));
  const path = join(directory, 'real.journal');
  const first = await Journal.open(realDisk, path, Entry);
  await Promise.all(entries(50).map((entry) => first.journal.append(entry)));
  await first.journal.append({ n: 50 }, { n: 51 });
  await first.journal.close();
  const second = await Journal.open(realDisk, path, Entry);
  assert.equal(
    second.records.map((record) => record.n),
    Array.from({ length: 52 }, (_, n) => n),
  );
  await second.journal.rewrite([{ n: 7 }]);
  await second.journal.append({ n: 8 });
  await second.journal.close();
  const third = await Journal.open(realDisk, path, Entry);
  assert.equal(third.records, [{ n: 7 }, { n: 8 }]);
  assert.equal(await realDisk.list(directory), ['real.journal']);
  await third.journal.close();
  await rm(directory, { recursive: true });
});

test('what a failed sync has kept from the disk does not count after a restart on the same kernel', async () => {
  const disk = new CrashDisk();
  const { journal } = await Journal.open(disk, PATH, Entry);
  await journal.append({ n: 1 });
  disk.failsSync = () => true;
  assert.is((await failure(journal.append({ n: 2 }))).code, 'JOURNAL_FAILED');
  disk.failsSync = () => false;
  const again = await Journal.open(disk, PATH, Entry);
  assert.equal(again.records, [{ n: 1 }]);
  await again.journal.append({ n: 3 });
  const afterCut = await Journal.open(disk.afterCut({ kind: 'lose-all' }), PATH, Entry);
  assert.equal(afterCut.records, [{ n: 1 }, { n: 3 }]);
});

test('a file cut at any byte keeps every whole append before the cut', async () => {
  const { bytes, ends } = await written(6);
  for (let length = 0; length <= bytes.length; length += 1) {
    const disk = new FaultyDisk();
    disk.put(PATH, bytes.subarray(0, length));
    const whole = ends.filter((end) => end <= length).length - 1;
    const { numbers, tornBytes } = await read(disk);
    assert.equal(
      numbers,
      entries(Math.max(whole, 0)).map((entry) => entry.n),
      `${length} bytes`,
    );
    assert.is(tornBytes, whole < 0 ? 0 : length - (ends[whole] ?? 0));
    assert.equal(await read(disk), { numbers, tornBytes: 0 }, 'the cut is for good');
  }
});

test('a last append of which any 512-byte sector is missing is cut off whole', async () => {
  const disk = new FaultyDisk();
  const { journal } = await Journal.open(disk, PATH, Entry);
  await journal.append({ n: 1 });
  const before = journal.sizeBytes;
  await journal.append({ n: 2, text: 'y'.repeat(2000) }, { n: 3, text: 'z'.repeat(2000) });
  await journal.close();
  const bytes = disk.bytesOf(PATH);
  for (let sector = before; sector < bytes.length; sector += 512) {
    const torn = Buffer.from(bytes).fill(0, sector, Math.min(sector + 512, bytes.length));
    disk.put(PATH, torn);
    assert.equal((await read(disk)).numbers, [1]);
  }
});

test('appending after a cut leaves nothing of the old tail', async () => {
  const { bytes } = await written(6);
  const disk = new FaultyDisk();
  disk.put(PATH, bytes.subarray(0, bytes.length - 1));
  const { journal } = await Journal.open(disk, PATH, Entry);
  await journal.append({ n: 100 });
  await journal.close();
  assert.equal(await read(disk), { numbers: [0, 1, 2, 3, 4, 100], tornBytes: 0 });
});

test('damage before a good append is reported and nothing is cut', async () => {
  const { bytes, ends } = await written(6);
  for (let at = ends[0] ?? 0; at < (ends[5] ?? 0); at += 1) {
    const disk = new FaultyDisk();
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 0x10;
    disk.put(PATH, changed);
    const error = await failure(Journal.open(disk, PATH, Entry));
    assert.is(error.code, 'JOURNAL_DAMAGED', `byte ${at}`);
    assert.equal(disk.bytesOf(PATH), changed);
  }
});

test('another format and records of another shape are refused and left alone', async () => {
  const { bytes } = await written(2);
  const newer = Buffer.from(bytes);
  newer.write('SCJRNL2\n');
  const disk = new FaultyDisk();
  for (const content of [newer, Buffer.from('some text of a person')]) {
    disk.put(PATH, content);
    assert.is((await failure(Journal.open(disk, PATH, Entry))).code, 'JOURNAL_UNREADABLE');
    assert.equal(disk.bytesOf(PATH), content);
  }
  disk.put(PATH, bytes);
  const error = await failure(Journal.open(disk, PATH, Type.Object({ name: Type.String() })));
  assert.is(error.code, 'JOURNAL_UNREADABLE');
  assert.match(error.message, 'name');
});

test('an append answers after its sync, and a new file after its directory', async () => {
  const disk = new FaultyDisk();
  const { journal } = await Journal.open(disk, PATH, Entry);
  await journal.append({ n: 1 });
  const steps = disk.done.filter((step) => !step.startsWith('open') && !step.startsWith('remove'));
  const found = [`datasync ${PATH}`, 'syncdir /state'];
  const begun = [`write ${PATH}`, `datasync ${PATH}`, 'syncdir /state'];
  assert.equal(steps, [...found, ...begun, `write ${PATH}`, `datasync ${PATH}`]);
  assert.equal((await read(disk.powerCut())).numbers, [1]);
});

test('appends that meet share one sync', async () => {
  const disk = new FaultyDisk();
  const { journal } = await Journal.open(disk, PATH, Entry);
  const before = disk.done.length;
  await Promise.all(entries(100).map((entry) => journal.append(entry)));
  assert.ok(disk.done.slice(before).filter((step) => step.startsWith('datasync')).length <= 2);
  assert.is((await read(disk.powerCut())).numbers.length, 100);
});

test('a full disk refuses the append, keeps the others, and takes the next one', async () => {
  const disk = new FaultyDisk();
  const { journal } = await Journal.open(disk, PATH, Entry);
  await journal.append({ n: 1, text: 'short' });
  disk.before = (step) => {
    if (step.startsWith('write')) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  };
  const error = await failure(journal.append({ n: 2, text: 'l'.repeat(1000) }));
  assert.is(error.code, 'JOURNAL_FAILED');
  assert.match(error.message, 'no space left');
  assert.match(error.remedy, 'room');
  disk.before = () => undefined;
  await journal.append({ n: 3 });
  await journal.close();
  assert.equal(await read(disk), { numbers: [1, 3], tornBytes: 0 });
});

test('after a failed sync nothing more is accepted', async () => {
  const disk = new FaultyDisk();
  const { journal } = await Journal.open(disk, PATH, Entry);
  disk.before = (step) => {
    if (step.startsWith('datasync')) throw Object.assign(new Error('EIO'), { code: 'EIO' });
  };
  assert.is((await failure(journal.append({ n: 1 }))).code, 'JOURNAL_FAILED');
  disk.before = () => undefined;
  assert.is((await failure(journal.append({ n: 2 }))).code, 'JOURNAL_FAILED');
  assert.is((await failure(journal.rewrite([]))).code, 'JOURNAL_FAILED');
});

test('a power cut at any step of a rewrite leaves the old records or the new ones', async () => {
  const outcomes = new Set<string>();
  for (let lastStep = 0; lastStep < 30; lastStep += 1) {
    const disk = new FaultyDisk();
    const { journal } = await Journal.open(disk, PATH, Entry);
    await journal.append({ n: 1 }, { n: 2 });
    let steps = 0;
    disk.before = () => {
      if (steps >= lastStep) throw new Error('the power is off');
      steps += 1;
    };
    const answered = await journal.rewrite([{ n: 3 }]).then(
      () => true,
      () => false,
    );
    const { numbers } = await read(disk.powerCut());
    assert.ok(['1,2', '3'].includes(numbers.join()), `after step ${lastStep}: ${numbers}`);
    if (answered) assert.equal(numbers, [3]);
    outcomes.add(numbers.join());
  }
  assert.equal([...outcomes], ['1,2', '3']);
});

test('appends around a rewrite stand on their side of it', async () => {
  const disk = new FaultyDisk();
  const { journal } = await Journal.open(disk, PATH, Entry);
  await Promise.all([journal.append({ n: 1 }), journal.rewrite([{ n: 10 }]), journal.append({ n: 2 })]);
  await journal.close();
  assert.equal((await read(disk)).numbers, [10, 2]);
});

test('an empty journal can be rewritten, and a left-over rewrite is cleared away', async () => {
  const disk = new FaultyDisk();
  disk.put(`${PATH}.rewrite`, Buffer.from('half a journal'));
  const { journal } = await Journal.open(disk, PATH, Entry);
  await journal.rewrite([]);
  await journal.append({ n: 1 });
  await journal.close();
  assert.equal((await read(disk)).numbers, [1]);
  assert.equal(await disk.list('/state'), ['test.journal']);
});

test('a closed journal accepts nothing', async () => {
  const disk = new FaultyDisk();
  const { journal } = await Journal.open(disk, PATH, Entry);
  await journal.close();
  assert.is((await failure(journal.append({ n: 1 }))).code, 'JOURNAL_FAILED');
});

test.run();
