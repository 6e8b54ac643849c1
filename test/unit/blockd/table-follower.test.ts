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

test('nothing older than what was proven is learnt: it is the layer before a merge', async () => {
  const { store } = await smallImage();
  const proven = new TableFollower(store, 'b');
  assert.ok(proven.begin(true, BLOCKS, []));
  assert.ok(proven.entries(tableWith(9)));
  proven.mark({ ...store.table.mark, lastSequence: 9 });
  await store.commit({ state: { role: 'sealed' } });
  const { mark } = store.table;
  const follower = new TableFollower(store, 'c');
  assert.ok(follower.begin(true, BLOCKS, []));
  assert.not(follower.entries(tableWith(8)));
  assert.not(follower.entries(runsOf(new VersionTable(BLOCKS))), 'nor that it was never written');
  assert.not(follower.mark({ ...mark, lastSequence: 8 }));
  assert.equal(store.table.mark, mark);
  assert.ok(follower.entries(tableWith(9)));
});

test.run();
