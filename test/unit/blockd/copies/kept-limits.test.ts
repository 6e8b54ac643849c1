// However much a copy that is counted on lacks at once, what was flushed stays at it until what replaces it is there.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KeptTable } from '../../../../blockd/copies/kept-table.ts';
import { createLayer, openLayer } from '../../../../blockd/store/image-files.ts';
import type { ImageStore } from '../../../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../../../blockd/table/block-version.ts';
import { DATA, HERE, RunWriter } from '../../../../blockd/table/version-run.ts';
import { CrashDisk } from '../../../crash/crash-disk.ts';
import { LAYER, LOST } from './copy-stores.ts';

/** More than wait for their contents before blocks that were never written are named ahead, and before none waits more. */
const [MANY, TOO_MANY] = [70_000, 2 ** 20 + 1_000];

/** The writer tells of another version of every block, and sends the content of none. */
async function allToldAnew(blocks: number, isWritten: boolean, isWhole: boolean): Promise<[ImageStore, KeptTable]> {
  const disk = new CrashDisk();
  const state = isWhole ? { role: 'loose', copiedUpTo: 1 } : { role: 'loose' };
  const fresh = { image: 'web', layer: LAYER, bytes: blocks * BLOCK_BYTES, isOrigin: false };
  const store = await createLayer(disk, '/layers', { ...fresh, state: state as { role: 'loose' } });
  if (isWritten) store.table.write(0, new Uint32Array(blocks).fill(55), { epoch: 1, sequence: 1 });
  await store.flush();
  const table = new KeptTable(store, 'a', 1);
  const runs = new RunWriter();
  for (let block = 0; block < blocks; block++) runs.add(block, 1, 256, 2 + block, DATA | HERE, 0, 77);
  assert.is(table.begin(blocks, []), '');
  assert.is(table.entries(runs.finish()), '');
  await store.flush();
  const after = await openLayer(disk.afterCut(LOST), '/layers', LAYER);
  assert.ok(after);
  return [after, table];
}

function namesAlone({ table }: ImageStore): number {
  let count = 0;
  for (let block = 0; block < table.blocks; block++) if (table.contentOf(block) === DATA) count++;
  return count;
}

test('blocks that were never written read as zeros at a whole copy until they come', async () => {
  const [store] = await allToldAnew(MANY, false, true);
  assert.is(namesAlone(store), 0);
});

test('a copy that is being filled names what comes', async () => {
  const [store] = await allToldAnew(MANY, false, false);
  assert.ok(namesAlone(store) > 0);
});

test('flushed contents stay, and what is beyond the limit is told again when the rest has come', async () => {
  const [store, table] = await allToldAnew(TOO_MANY, true, true);
  assert.is(namesAlone(store), 0);
  table.marked({ lastSequence: TOO_MANY + 1, entries: TOO_MANY, digest: '0'.repeat(32) });
  await table.apply(() => true);
  assert.is(table.state, 'lacking');
  for (const run of table.wanted(TOO_MANY, () => false)) assert.ok(run.first + run.count <= 2 ** 20);
});

test.run();
