import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TableFollower } from '../../../blockd/peer/table-follower.ts';
import { VersionTable } from '../../../blockd/table/version-table.ts';
import { BLOCKS, smallImage } from './small-image.ts';
import { runsOf } from './table-runs.ts';

/** The table of an image whose first block has this version. */
function tableWith(sequence: number): Buffer {
  const table = new VersionTable(BLOCKS);
  table.write(0, Uint32Array.of(7), { epoch: 3, sequence });
  return runsOf(table);
}

test('versions beyond the end of a closed epoch are refused, and nothing of them is learnt (A7)', async () => {
  const { store } = await smallImage();
  const follower = new TableFollower(store, 'b');
  assert.ok(follower.begin(true, BLOCKS, [{ epoch: 3, lastSequence: 5 }]));
  assert.not(follower.entries(tableWith(6)));
  assert.is(store.table.epochAt(0), 0);
  assert.ok(follower.entries(tableWith(5)));
  assert.is(store.table.epochAt(0), 3);
});

test.run();
