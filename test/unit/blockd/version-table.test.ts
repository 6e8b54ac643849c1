import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isTail, SEQUENCE_MAX, sequenceOf, versionHigh, versionLow } from '../../../blockd/table/block-version.ts';
import { DATA, HERE, readRuns, runsAreSound } from '../../../blockd/table/version-run.ts';
import { VersionTable } from '../../../blockd/table/version-table.ts';
import { learn, sumOf } from './learnt.ts';
import { restingBytes, tableOf } from './rested-table.ts';
import { runsOf } from './table-runs.ts';

/** As many checksums. */
const sums = (count: number, sum = 1): Uint32Array => new Uint32Array(count).fill(sum);
const v = (epoch: number, sequence: number): { epoch: number; sequence: number } => ({ epoch, sequence });
const words = (epoch: number, sequence: number): [number, number] => [
  versionHigh(v(epoch, sequence)),
  versionLow(v(epoch, sequence)),
];

test('a version keeps 24 and 40 bits, the last sequence included', () => {
  for (const [epoch, sequence] of [
    [0, 0],
    [1, 2 ** 32],
    [2 ** 24 - 1, SEQUENCE_MAX],
  ] as const) {
    const [high, low] = words(epoch, sequence);
    assert.is(high >>> 8, epoch);
    assert.is(sequenceOf(high, low), sequence);
  }
});

test('the digest does not depend on the order of writes, but on block, version, zero and checksum', () => {
  const one = new VersionTable(8);
  one.write(0, sums(4), v(1, 5));
  one.write(2, sums(1), v(1, 6));
  const other = new VersionTable(8);
  other.write(2, sums(1), v(1, 6));
  other.write(3, sums(1), v(1, 5));
  other.write(0, sums(2), v(1, 5));
  assert.equal(one.mark, other.mark);
  const variants = [
    [2, 3, 1, 7, true, 1],
    [2, 3, 2, 6, true, 1],
    [2, 3, 1, 6, false, 1],
    [4, 5, 1, 6, true, 1],
    [2, 3, 1, 6, true, 2],
  ] as const;
  for (const [first, end, epoch, sequence, data, sum] of variants) {
    const variant = new VersionTable(8);
    variant.write(0, sums(4), v(1, 5));
    if (data) variant.write(first, sums(end - first, sum), v(epoch, sequence));
    else variant.zero(first, end, v(epoch, sequence));
    assert.is.not(variant.mark.digest, one.mark.digest);
  }
});

test('changes come as runs once, and restore to the same table', async () => {
  const table = new VersionTable(100);
  table.write(10, sums(10), v(1, 1));
  table.zero(15, 16, v(1, 2));
  const runs = table.takeChanges();
  assert.is([...readRuns(runs)].length, 3);
  assert.is(table.takeChanges().length, 0);
  const again = new VersionTable(100);
  again.restore([runs]);
  assert.equal(again.mark, table.mark);
  assert.equal((await tableOf(100, await restingBytes(table)))?.mark, table.mark);
  assert.is(again.contentOf(15), HERE);
  assert.is(again.contentOf(14), DATA | HERE);
});

test('what another store says keeps a local block only on equality', () => {
  const table = new VersionTable(4);
  table.write(0, sums(3, sumOf(9)), v(1, 9));
  table.takeChanges();
  learn(table, 0, words(1, 9), 7);
  learn(table, 1, words(1, 5), 7);
  learn(table, 2, words(2, 10), 7, { data: false });
  assert.is(table.contentOf(0), DATA | HERE, 'equal: stays');
  assert.is(table.contentOf(1), DATA, 'older than ours: a tail of ours, not served');
  assert.is(table.contentOf(2), HERE, 'a zero needs no fetch');
  assert.equal(table.census(), { local: 2, elsewhere: new Map([[7, 1]]) });
  learn(table, 0, [0, 0], 0, { data: false });
  assert.is(table.contentOf(0), 0, 'never written');
  assert.is(table.mark.entries, 2);
});

test('what arrives, or is spoilt, is counted at its new place once, and the digest stays', () => {
  const table = new VersionTable(4);
  for (const block of [0, 1]) learn(table, block, words(1, 9), 7);
  const { digest, entries } = table.mark;
  table.arrived(0);
  table.arrived(0);
  assert.equal(table.census(), { local: 1, elsewhere: new Map([[7, 1]]) });
  table.arrived(1);
  assert.equal(table.census(), { local: 2, elsewhere: new Map() });
  table.spoilt(0);
  table.spoilt(0);
  assert.equal(table.census(), { local: 1, elsewhere: new Map([[7, 1]]) });
  assert.equal([table.mark.digest, table.mark.entries], [digest, entries]);
});

test('a range that arrives is counted by each holder; what is no missing data stays as it is', () => {
  const table = new VersionTable(40);
  for (const [block, holder] of [
    [1, 7],
    [2, 7],
    [3, 5],
    [20, 7],
    [21, 5],
    [30, 7],
  ] as const)
    learn(table, block, words(1, 9), holder);
  learn(table, 4, words(1, 9), 7, { data: false });
  table.takeChanges();
  table.arrived(0, 30);
  assert.equal(table.census(), { local: 6, elsewhere: new Map([[7, 1]]) });
  assert.equal([table.contentOf(4), table.contentOf(5), table.contentOf(30)], [HERE, 0, DATA]);
  const changed = [...readRuns(table.takeChanges())].map(({ first, count }) => [first, count]);
  assert.equal(changed, [
    [1, 2],
    [3, 1],
    [20, 1],
    [21, 1],
  ]);
});

test('a wrong checksum or kind that was told under the right version is set right by the next word', () => {
  const table = new VersionTable(2);
  learn(table, 0, words(1, 9), 7, { fill: 8 });
  learn(table, 1, words(1, 9), 7, { data: false });
  for (const block of [0, 1]) learn(table, block, words(1, 9), 7);
  assert.equal([table.sumOf(0), table.sumOf(1)], [sumOf(9), sumOf(9)]);
  assert.equal([table.contentOf(0), table.contentOf(1)], [DATA, DATA]);
});

test('the whole table covers every block, a delta only what is newer', () => {
  const table = new VersionTable(50);
  table.write(0, sums(10), v(1, 1));
  table.write(5, sums(1), v(2, 8));
  const whole = [...readRuns(runsOf(table))];
  assert.is(
    whole.reduce((sum, run) => sum + run.count, 0),
    50,
  );
  const [newer, ...rest] = [...readRuns(table.runs(0, 50, (block) => table.sequenceAt(block) > 1).runs)];
  assert.equal([newer?.first, newer?.count, rest.length], [5, 1, 0]);
});

test('missing runs share version and holder', () => {
  const table = new VersionTable(20);
  for (let block = 2; block < 10; block++) learn(table, block, words(1, 1), block < 6 ? 1 : 2);
  assert.equal(table.nextMissing(0, 20, 64), { first: 2, count: 4, high: 256, low: 1, holder: 1 });
  assert.equal(table.nextMissing(0, 20, 3)?.count, 3);
  assert.is(table.nextMissing(10, 20, 64), undefined);
});

test('only versions beyond a closed epoch are a tail', () => {
  const ends = [{ epoch: 1, lastSequence: 5 }];
  assert.not(isTail(...words(1, 5), ends));
  assert.ok(isTail(...words(1, 6), ends));
  assert.not(isTail(...words(2, 6), ends));
});

test('runs beyond the image or cut short are refused', () => {
  const table = new VersionTable(4);
  table.write(0, sums(4), v(1, 1));
  const runs = table.takeChanges();
  assert.ok(runsAreSound(runs, 4));
  assert.not(runsAreSound(runs, 3));
  assert.not(runsAreSound(runs.subarray(1), 4));
});

test.run();
