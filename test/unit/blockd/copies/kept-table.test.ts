// What a copy takes over of its writer's table, and what it asks for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KeptTable } from '../../../../blockd/copies/kept-table.ts';
import { FETCH_BLOCKS_MAX } from '../../../../blockd/peer/frame-fields.ts';
import { createLayer } from '../../../../blockd/store/image-files.ts';
import { BLOCK_BYTES } from '../../../../blockd/table/block-version.ts';
import { DATA, HERE, RunWriter } from '../../../../blockd/table/version-run.ts';
import { CrashDisk } from '../../../crash/crash-disk.ts';

const BLOCKS = 4 * FETCH_BLOCKS_MAX;
const NOBODY = (): boolean => false;

/** A copy of an image of one version, as an import leaves it, that lacks all of it. */
async function lackingAll(): Promise<KeptTable> {
  const disk = new CrashDisk();
  const fresh = { image: 'web', layer: 'l00000000000000aa', bytes: BLOCKS * BLOCK_BYTES, isOrigin: false };
  const table = new KeptTable(await createLayer(disk, '/layers', { ...fresh, state: { role: 'loose' } }), 'a');
  const runs = new RunWriter();
  for (let block = 0; block < BLOCKS; block++) runs.add(block, 1, 256, 1, DATA | HERE, 0, 9);
  assert.is(table.begin(BLOCKS, []), '');
  assert.is(table.entries(runs.finish()), '');
  return table;
}

test('however long the runs are of which it lacks something, it asks for so many blocks at a time', async () => {
  const table = await lackingAll();
  assert.equal(table.wanted(1_000, NOBODY), [{ first: 0, count: 1_000, high: 256, low: 1 }]);
  const isAsked = (block: number): boolean => block < 1_000 || block === 1_500;
  assert.equal(table.wanted(1_000, isAsked), [
    { first: 1_000, count: 500, high: 256, low: 1 },
    { first: 1_501, count: 500, high: 256, low: 1 },
  ]);
});

test.run();
