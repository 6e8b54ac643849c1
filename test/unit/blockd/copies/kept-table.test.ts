// What a copy takes over of its writer's table, and what it asks for.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KeptTable } from '../../../../blockd/copies/kept-table.ts';
import { FETCH_BLOCKS_MAX } from '../../../../blockd/peer/frame-fields.ts';
import { createLayer } from '../../../../blockd/store/image-files.ts';
import { BLOCK_BYTES, type Version, versionHigh, versionLow } from '../../../../blockd/table/block-version.ts';
import { DATA, HERE, RunWriter } from '../../../../blockd/table/version-run.ts';
import { type TableMark, VersionTable } from '../../../../blockd/table/version-table.ts';
import type { ImageRole } from '../../../../wire/contracts/layers.ts';
import { CrashDisk } from '../../../crash/crash-disk.ts';
import { learn, sumOf } from '../learnt.ts';
import { blockOf } from './copy-stores.ts';

const BLOCKS = 4 * FETCH_BLOCKS_MAX;
const NOBODY = (): boolean => false;

const FIRST = { first: 0, count: 1, high: 256 } as const;

/** A copy of which nothing is here yet. */
async function fresh(): Promise<KeptTable> {
  const layer = { image: 'web', layer: 'l00000000000000aa', bytes: BLOCKS * BLOCK_BYTES, isOrigin: false };
  const store = await createLayer(new CrashDisk(), '/layers', { ...layer, state: { role: 'loose' } });
  const table = new KeptTable(store, 'a');
  assert.is(table.begin(BLOCKS, []), '');
  return table;
}

/** A copy of an image of one version, as an import leaves it, that lacks all of it. */
async function lackingAll(): Promise<KeptTable> {
  const table = await fresh();
  const runs = new RunWriter();
  for (let block = 0; block < BLOCKS; block++) runs.add(block, 1, 256, 1, DATA | HERE, 0, 9);
  assert.is(table.entries(runs.finish()), '');
  return table;
}

/** Its writer's whole barrier: the first block is full of one byte. */
function told(table: KeptTable, low: number, fill: number): void {
  const runs = new RunWriter();
  runs.add(0, 1, FIRST.high, low, DATA | HERE, 0, sumOf(fill));
  assert.is(table.entries(runs.finish()), '');
  table.marked(markOf(low, fill));
}

/** What the writer's table is then. */
function markOf(low: number, fill: number): TableMark {
  const writers = new VersionTable(BLOCKS);
  learn(writers, 0, [FIRST.high, low], 0, { fill });
  return { ...writers.mark, lastSequence: low };
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

test('while what it asked for is yet to be put into the table that is no other one than the writer has', async () => {
  const table = await fresh();
  told(table, 1, 7);
  await table.apply(() => true);
  assert.is(table.state, 'lacking');
  table.arrived({ ...FIRST, low: 1 }, blockOf(7));
  assert.is(table.state, 'lacking');
  await table.apply(() => true);
  assert.is(table.state, 'whole');
});

test('what is told, or on its way, when the copy is given up says nothing of its table', async () => {
  for (const answers of [[false], [true, false]]) {
    const table = await fresh();
    table.content({ ...FIRST, low: 1 }, blockOf(7));
    told(table, 1, 7);
    const left = [...answers];
    await table.apply(() => left.shift() ?? false);
    assert.is(table.mark, undefined, answers.join(', '));
  }
});

test('of what is written no more it is heard that it is all that it is to be', async () => {
  const table = await fresh();
  table.marked({ lastSequence: 9, entries: 0, digest: '0'.repeat(32) });
  await table.apply(() => false);
  assert.is(table.state, 'whole');
});

const OLDER: readonly [
  what: string,
  own: Version,
  isHere: boolean,
  role: ImageRole,
  told: Version,
  isOlder: boolean,
][] = [
  ['an older version under the same epoch', { epoch: 2, sequence: 9 }, true, 'loose', { epoch: 2, sequence: 8 }, true],
  ['one of an earlier epoch', { epoch: 2, sequence: 9 }, true, 'loose', { epoch: 1, sequence: 99 }, true],
  ['none at all', { epoch: 2, sequence: 9 }, true, 'replica', { epoch: 0, sequence: 0 }, true],
  ['the same', { epoch: 2, sequence: 9 }, true, 'loose', { epoch: 2, sequence: 9 }, false],
  ['a newer one', { epoch: 2, sequence: 9 }, true, 'loose', { epoch: 2, sequence: 10 }, false],
  ['what an ended epoch left', { epoch: 1, sequence: 9 }, true, 'loose', { epoch: 1, sequence: 8 }, false],
  [
    'what was heard wrong, without its content',
    { epoch: 2, sequence: 9 },
    false,
    'loose',
    { epoch: 2, sequence: 8 },
    false,
  ],
  ['a sealed layer before a merge', { epoch: 2, sequence: 9 }, true, 'sealed', { epoch: 2, sequence: 8 }, false],
];
for (const [what, own, isHere, role, version, isOlder] of OLDER) {
  test(`a writer under epoch 2 that tells ${what} is ${isOlder ? 'not followed back' : 'followed'} (D2)`, async () => {
    const layer = { image: 'web', layer: 'l00000000000000aa', bytes: BLOCKS * BLOCK_BYTES, isOrigin: false };
    const store = await createLayer(new CrashDisk(), '/layers', { ...layer, state: { role } });
    if (isHere) store.table.write(1, Uint32Array.of(sumOf(7)), own);
    else learn(store.table, 1, [versionHigh(own), versionLow(own)], 0, { fill: 7 });
    const table = new KeptTable(store, 'a', 2);
    const runs = new RunWriter();
    const flags = version.epoch === 0 ? 0 : DATA | HERE;
    for (const block of [0, 1, 2]) runs.add(block, 1, versionHigh(version), versionLow(version), flags, 0, sumOf(8));
    const said = table.entries(runs.finish());
    if (isOlder) assert.match(said, 'its store was put back');
    else assert.is(said, '');
  });
}

test('the name of what is to be had elsewhere is not hidden by what was told before it', async () => {
  const table = await fresh();
  table.content({ ...FIRST, low: 1 }, blockOf(7));
  told(table, 1, 7);
  told(table, 2, 8);
  table.elsewhere({ ...FIRST, low: 2 }, 'c');
  await table.apply(() => true);
  assert.equal(table.wanted(9, NOBODY), [{ ...FIRST, low: 2 }]);
  table.elsewhere({ ...FIRST, low: 2 }, 'c');
  assert.is(table.state, 'lacking', 'it is known by name, and is yet to come');
  assert.equal(table.wanted(9, NOBODY), []);
});

test.run();
