// A copy that heard something else than its writer said, or whose word was lost: a flush waits for it no longer than it takes
// to be told anew.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KeptTable } from '../../../../blockd/copies/kept-table.ts';
import { HEADER_BYTES, type PeerFrame, PeerFrameReader } from '../../../../blockd/peer/peer-frame.ts';
import { createLayer } from '../../../../blockd/store/image-files.ts';
import { DATA, HERE, RunWriter } from '../../../../blockd/table/version-run.ts';
import { type TableMark, VersionTable } from '../../../../blockd/table/version-table.ts';
import { CrashDisk } from '../../../crash/crash-disk.ts';
import { learn, sumOf } from '../learnt.ts';
import { isSettled } from '../manual-clock.ts';
import { BLOCKS, BYTES, CopyStores, contentAfter, flushed, LAYER, LOST, SYNC, written } from './copy-stores.ts';

/** The low words of versions: the writer's, and what was heard of it. */
const [RIGHT, WRONG] = [1_048_597, 21];
/** In an entry's bytes its version's low word, behind first, count and the high word. */
const LOW_AT = HEADER_BYTES + 12;

async function copied(): Promise<CopyStores> {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  for (let block = 0; block < BLOCKS; block++) await written(stores, block, block + 1);
  await flushed(stores);
  return stores;
}

/** Changes the first chunk from the node that has such a frame: to nothing, or as `change` says. */
function tamperOnce(stores: CopyStores, node: string, type: PeerFrame['type'], change?: (bytes: Buffer) => void): void {
  let isDone = false;
  stores.tamper = (bytes, from) => {
    const types: string[] = [];
    if (from === node && !isDone) new PeerFrameReader().receive(bytes, (frame) => types.push(frame.type));
    if (!types.includes(type)) return bytes;
    isDone = true;
    const changed = Buffer.from(bytes);
    change?.(changed);
    return change === undefined ? Buffer.alloc(0) : changed;
  };
}

/** The copy's table after the writer's only barrier, of whose version it heard this. */
async function heard(low: number): Promise<KeptTable> {
  const layer = { image: 'web', layer: LAYER, bytes: BYTES, isOrigin: false };
  const store = await createLayer(new CrashDisk(), '/layers', { ...layer, state: { role: 'loose' } });
  const table = new KeptTable(store, 'a');
  table.begin(BLOCKS, []);
  tell(table, 0, low);
  table.marked(writersMark(0));
  await table.apply(() => true);
  return table;
}

function tell(table: KeptTable, block: number, low: number): void {
  const runs = new RunWriter();
  runs.add(block, 1, 256, low, DATA | HERE, 0, sumOf(9));
  assert.is(table.entries(runs.finish()), '');
}

/** Of a table of these blocks. */
function writersMark(...blocks: number[]): TableMark {
  const table = new VersionTable(BLOCKS);
  for (const block of blocks) learn(table, block, [256, RIGHT], 0);
  return { ...table.mark, lastSequence: RIGHT };
}

test('a version that the writer denies, and that its table has not, is no more waited for', async () => {
  const table = await heard(WRONG);
  assert.is(table.state, 'lacking', 'nobody has denied anything');
  table.denied({ first: 0, count: 1, high: 256, low: WRONG });
  assert.is(table.state, 'differs');
});

test('one that the writer has overwritten since is', async () => {
  const table = await heard(RIGHT);
  table.denied({ first: 0, count: 1, high: 256, low: RIGHT });
  assert.is(table.state, 'lacking');
});

test('while half a barrier is told nothing is compared', async () => {
  const table = await heard(RIGHT);
  tell(table, 1, RIGHT);
  table.denied({ first: 0, count: 1, high: 256, low: RIGHT });
  assert.is(table.state, 'lacking');
  table.marked(writersMark(0, 1));
  await table.apply(() => true);
  assert.is(table.state, 'lacking', 'its names are the writer’s');
  tell(table, 2, WRONG);
  table.marked(writersMark(0, 1, 2));
  await table.apply(() => true);
  table.denied({ first: 2, count: 1, high: 256, low: WRONG });
  assert.is(table.state, 'differs');
});

test('a flush is answered though the version of one of its blocks changed on the way', async () => {
  const stores = await copied();
  tamperOnce(stores, 'a', 'entries', (bytes) => bytes.writeUInt32BE(1, LOW_AT));
  await written(stores, 3, 103);
  const flush = flushed(stores);
  await stores.clock.advance(10_000);
  assert.ok(await isSettled(flush));
  assert.is((await contentAfter(stores.disk('b'), LOST))[3], 103);
});

test('a flush is answered though the word that it is durable was lost', async () => {
  const stores = await copied();
  tamperOnce(stores, 'b', 'durable');
  await written(stores, 3, 103);
  const flush = flushed(stores);
  await stores.clock.advance(10_000);
  assert.ok(await isSettled(flush));
});

test.run();
