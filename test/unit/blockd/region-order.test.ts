// Records that are restored region by region leave the table that they leave one after the other.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { byRegion } from '../../../blockd/table/region-order.ts';
import { DATA, HERE, RunWriter, readRuns } from '../../../blockd/table/version-run.ts';
import { VersionTable } from '../../../blockd/table/version-table.ts';
import { Prng } from '../../sim/prng.ts';
import { runsOf } from './table-runs.ts';

/** Five regions and a piece of one. */
const BLOCKS = 5 * 8_192 + 100;

/** A record of some runs in block order, as barriers write them: short ones with data, now and then a long one of zeros. */
function record(random: Prng, sequence: number): Buffer {
  const writer = new RunWriter();
  for (let block = random.integer(4_000); block < BLOCKS; ) {
    const isZero = random.chance(0.2);
    const count = Math.min(isZero ? random.integer(20_000) + 1 : random.integer(30) + 1, BLOCKS - block);
    if (isZero) writer.add(block, count, 256, sequence, HERE, 0, 0);
    else for (let at = 0; at < count; at++) writer.add(block + at, 1, 256, sequence, DATA | HERE, 0, sequence + at);
    block += count + random.integer(4_000);
  }
  return writer.finish();
}

for (let seed = 1; seed <= 10; seed++) {
  test(`as one after the other (seed ${seed})`, () => {
    const random = new Prng(seed);
    const records = Array.from({ length: 12 }, (_, index) => record(random, index + 1));
    const [inTime, inRegions] = [new VersionTable(BLOCKS), new VersionTable(BLOCKS)];
    for (const one of records) inTime.restore([one]);
    inRegions.restore(records);
    assert.ok(runsOf(inRegions).equals(runsOf(inTime)));
    assert.equal([inRegions.mark, inRegions.census()], [inTime.mark, inTime.census()]);
  });
}

test('each block of each run comes once, region by region', () => {
  const writer = new RunWriter();
  writer.add(8_000, 20_000, 256, 1, HERE, 0, 0);
  const bytes = writer.finish();
  const parts = Array.from(byRegion([bytes, bytes], BLOCKS), ({ first, end }) => [first, end]);
  const once = [
    [8_000, 8_192],
    [8_192, 16_384],
    [16_384, 24_576],
    [24_576, 28_000],
  ];
  assert.equal(
    parts,
    once.flatMap((part) => [part, part]),
  );
  assert.is([...readRuns(bytes)].length, 1);
});

test('no records change nothing, and the last block has its region', () => {
  const table = new VersionTable(8_192);
  table.restore([]);
  assert.is(table.mark.entries, 0);
  const writer = new RunWriter();
  writer.add(8_191, 1, 256, 1, DATA | HERE, 0, 7);
  table.restore([writer.finish()]);
  assert.equal([table.mark.entries, table.sumOf(8_191)], [1, 7]);
});

test.run();
