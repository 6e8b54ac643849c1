// What a writer that was cut off wrote beyond the end of its epoch is copied beside before the image's own blocks come in its
// place, on whatever way they come (S4; SOUNDNESS A7).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CutOffTails, TAIL_FILES_MAX, type TailedLayer } from '../../../blockd/store/cut-off-tails.ts';
import { newState } from '../../../blockd/store/store-record.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import type { Disk } from '../../../common/disk/disk.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { CopyStores, SYNC } from './copies/copy-stores.ts';
import { ManualClock } from './manual-clock.ts';
import { ALONE, BYTES, cutAt, openAtA, type Stores } from './stores-between.ts';

const TAILS = '/state/tails';
const FIRST = '00000001-web-epoch-1.raw';

/** At a what everybody has (block 0, block 1) and what only a has (0, 5, 6) of epoch 1; at b what came after it (1, 2). */
async function cutOffAtA(): Promise<Stores> {
  const stores = await openAtA();
  for (const block of [0, 1]) await stores.write('a', block, 1);
  const published = stores.at('a').get('web').image.closing();
  await stores.open('b', { stack: ALONE, epoch: 2, last: published, from: 'a' });
  assert.equal(await Promise.all([0, 1].map((block) => stores.read('b', block))), [1, 1]);
  for (const block of [0, 5, 6]) await stores.write('a', block, 99);
  for (const block of [1, 2]) await stores.write('b', block, 2);
  return stores;
}

/** The first byte of each block of the tail that was copied; its size. */
async function copied(disk: Disk, name = FIRST): Promise<{ firsts: number[]; bytes: number }> {
  const whole = await disk.readWhole(`${TAILS}/${name}`);
  const firsts = Array.from({ length: whole.length / BLOCK_BYTES }, (_, block) => whole[block * BLOCK_BYTES] ?? -1);
  return { firsts: firsts.slice(0, 8), bytes: whole.length };
}

async function closedAtB(stores: Stores, layer = ALONE.layer): Promise<Closing> {
  const closing = await stores.at('b').endEpoch('web', layer, 2);
  if (closing === undefined) throw new Error('b never had the epoch');
  return closing;
}

async function readAtA(stores: Stores): Promise<number[]> {
  return Promise.all([0, 1, 2, 5, 6].map((block) => stores.read('a', block)));
}

const TAIL = { firsts: [99, 0, 0, 0, 0, 99, 99, 0], bytes: BYTES };
const OF_THE_IMAGE = [1, 2, 2, 0, 0];

test('it is kept when the image is opened there again, and nothing else is', async () => {
  const stores = await cutOffAtA();
  await stores.open('a', { stack: ALONE, epoch: 4, last: await closedAtB(stores), from: 'b' });
  assert.equal(await stores.disk('a').list(TAILS), [FIRST]);
  assert.equal(await copied(stores.disk('a')), TAIL);
  assert.equal(await readAtA(stores), OF_THE_IMAGE);
  assert.is(stores.at('a').get('web').image.store.state.cutOff, null);
  assert.equal(
    await stores
      .disk('b')
      .list(TAILS)
      .catch(() => []),
    [],
    'who was not cut off has none',
  );
});

test('it is kept when its layer was cut elsewhere meanwhile', async () => {
  const stores = await cutOffAtA();
  const stack = await cutAt(stores, 'b');
  const last = await closedAtB(stores, stack.layer);
  await stores.open('a', { stack, epoch: 4, last, from: 'b' });
  assert.equal(await copied(stores.disk('a')), TAIL);
  assert.equal(await readAtA(stores), OF_THE_IMAGE);
});

test('a store that is killed once it has given way keeps it at the next start', async () => {
  const stores = await cutOffAtA();
  await stores.at('a').get('web').giveWay(4);
  await stores.start('a', stores.disk('a').afterKill());
  await stores.open('a', { stack: ALONE, epoch: 4, last: await closedAtB(stores), from: 'b' });
  assert.equal(await copied(stores.disk('a')), TAIL);
});

test('a disk without room for it keeps nobody from the image', async () => {
  const stores = await cutOffAtA();
  const disk = stores.disk('a');
  disk.failsSync = (path) => path.startsWith(TAILS);
  await stores.open('a', { stack: ALONE, epoch: 4, last: await closedAtB(stores), from: 'b' });
  assert.equal(await readAtA(stores), OF_THE_IMAGE);
});

test('it is kept before a copy for the new writer is written over it', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  const image = await stores.openAtA({ mode: 'on-demand' });
  await image.write(0, Buffer.alloc(BLOCK_BYTES, 1), true);
  const published = image.closing();
  await stores.open('b', ALONE, 2, published, SYNC);
  await image.write(5 * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 99), true);
  await stores.image('b').write(5 * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 2), false);
  await stores.shelf('a').get('web').giveWay(4);
  await stores.clock.advance(10_000);
  await stores.image('b').flush();
  assert.equal((await copied(stores.disk('a'))).firsts, [0, 0, 0, 0, 0, 99, 0, 0]);
});

/** A layer of which all of the blocks are a tail, each under a number of its own. */
function allTail(layer: string, blocks: number): TailedLayer {
  const high = 256;
  return {
    ...{ layer, image: 'web', blocks, bytes: blocks * BLOCK_BYTES },
    state: { ...newState('web'), cutOff: 1 },
    table: {
      nextHeld: (first, end) => (first < end ? { first, count: 1, high, low: first + 1, holder: 0 } : undefined),
    },
    file: { warm: async () => undefined, read: () => true },
    commit: async () => undefined,
  };
}

test('the newest are kept, each up to its limit, and what is another file stays', async () => {
  const disk = new CrashDisk();
  const clock = new ManualClock();
  const tails = new CutOffTails({ disk, directory: TAILS, clock, log: { warn: () => undefined } });
  await disk.replace(`${TAILS}/mine.raw`, Buffer.from('not theirs'));
  for (let number = 1; number <= TAIL_FILES_MAX + 1; number++) {
    assert.not(tails.isAside(allTail(`l${number}`, 4), []));
    await clock.advance(1);
    assert.ok(tails.isAside(allTail(`l${number}`, 4), []), 'once it was copied the table may be heard');
  }
  const names = await disk.list(TAILS);
  assert.equal([names.length, names[0], names.at(-1)], [TAIL_FILES_MAX + 1, '00000002-web-epoch-1.raw', 'mine.raw']);
});

test('several that come at once are copied one after the other, and no more are kept; what a kill left is gone', async () => {
  const disk = new CrashDisk();
  const clock = new ManualClock();
  const tails = new CutOffTails({ disk, directory: TAILS, clock, log: { warn: () => undefined } });
  await disk.replace(`${TAILS}/00000003-web-epoch-1.raw.new`, Buffer.from('half of it'));
  const layers = Array.from({ length: TAIL_FILES_MAX + 3 }, (_, number) => allTail(`l${number}`, 4));
  for (const layer of layers) tails.isAside(layer, []);
  for (let left = layers.length; left > 0; left--) await clock.advance(1);
  assert.equal(
    await disk.list(TAILS),
    [4, 5, 6, 7].map((number) => `0000000${number}-web-epoch-1.raw`),
  );
});

test('where one cannot be copied the older ones stay', async () => {
  const disk = new CrashDisk();
  const clock = new ManualClock();
  const tails = new CutOffTails({ disk, directory: TAILS, clock, log: { warn: () => undefined } });
  for (let number = 0; number < TAIL_FILES_MAX; number++) {
    tails.isAside(allTail(`l${number}`, 4), []);
    await clock.advance(1);
  }
  const before = await disk.list(TAILS);
  disk.isFull = true;
  tails.isAside(allTail('l9', 4), []);
  await clock.advance(1);
  assert.ok(tails.isAside(allTail('l9', 4), []));
  assert.equal(await disk.list(TAILS), before);
});

test('of one no more is copied than its limit, and that is said', async () => {
  const disk = new CrashDisk();
  const clock = new ManualClock();
  const said: object[] = [];
  const log = { warn: (fields: object) => void said.push(fields) };
  const tails = new CutOffTails({ disk, directory: TAILS, clock, log, bytesMax: 64 * BLOCK_BYTES });
  tails.isAside(allTail('l1', 70), []);
  await clock.advance(1);
  const path = `${TAILS}/${FIRST}`;
  assert.equal(said, [{ image: 'web', layer: 'l1', epoch: 1, blocks: 64, isWhole: false, path }]);
});

test.run();
