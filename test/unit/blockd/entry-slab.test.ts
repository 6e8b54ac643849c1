// What a table takes and keeps: nothing for what was never written, everything over its resting form.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VersionTable } from '../../../blockd/table/version-table.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { restingBytes, tableOf } from './rested-table.ts';
import { runsOf } from './table-runs.ts';

const HUNDRED_GB_BLOCKS = (100 * 2 ** 30) / 4096;

function randomTable(blocks: number, writes: number, seed: number): VersionTable {
  const random = seededRandom(seed);
  const table = new VersionTable(blocks);
  for (let sequence = 1; sequence <= writes; sequence++) {
    const block = Math.floor(random() * blocks);
    const version = { epoch: 1 + (sequence % 3), sequence };
    if (random() < 0.2) table.zero(block, Math.min(blocks, block + 1 + Math.floor(random() * 20)), version);
    else table.write(block, Uint32Array.of(Math.floor(random() * 2 ** 32)), version);
  }
  return table;
}

test('a table takes memory only near what was written', () => {
  const table = new VersionTable(HUNDRED_GB_BLOCKS);
  assert.is(table.placedBlocks, 0);
  table.write(5_000_000, Uint32Array.of(1, 2, 3), { epoch: 1, sequence: 1 });
  assert.is(table.placedBlocks, 8);
  assert.is(table.contentOf(5_000_003), 0);
  assert.is(table.contentOf(HUNDRED_GB_BLOCKS - 1), 0);
  assert.is(table.placedBlocks, 8, 'looking takes nothing');
});

test('the resting form gives the same table, at any size', async () => {
  for (const [blocks, writes] of [
    [1, 3],
    [7, 10],
    [64, 30],
    [70_000, 3_000],
    [1_000_000, 9_000],
  ] as const) {
    const table = randomTable(blocks, writes, blocks);
    table.settle(table.takeChanges(), true);
    const again = await tableOf(blocks, await restingBytes(table));
    assert.equal(again?.mark, table.mark);
    assert.equal(again?.census(), table.census());
    assert.ok(again !== undefined && runsOf(again).equals(runsOf(table)), `${blocks} blocks`);
    assert.not(again?.hasChanges);
    again?.write(0, Uint32Array.of(1), { epoch: 7, sequence: 7 });
    assert.is(again?.sumOf(0), 1, 'and goes on');
  }
});

test('the digest and the counts follow each change as if counted anew', () => {
  const table = randomTable(5_000, 4_000, 7);
  const anew = new VersionTable(5_000);
  anew.restore([runsOf(table)]);
  assert.equal(anew.mark, table.mark);
  assert.equal(anew.census(), table.census());
});

test('a resting form with any byte changed, or cut, is refused', async () => {
  const bytes = await restingBytes(randomTable(300, 40, 3));
  assert.ok(await tableOf(300, bytes));
  for (let at = 0; at < bytes.length; at += 7) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.is(await tableOf(300, changed), undefined, `byte ${at}`);
    assert.is(await tableOf(300, bytes.subarray(0, at)), undefined, `cut at ${at}`);
  }
});

test.run();
