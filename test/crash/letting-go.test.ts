// A crash at each disk step of letting cached copies go, of fetching them back and of the reclaim, with each loss of what was
// unsynced: every block is here as it was or elsewhere in the same version, and what is left in the file is taken for
// nothing when the image is opened and its daemon killed (S1, S3, S5).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Image } from '../../blockd/image/image.ts';
import type { BlockSource } from '../../blockd/layers/block-fetcher.ts';
import { LayerBlocks } from '../../blockd/layers/layer-blocks.ts';
import { createLayer, openLayer } from '../../blockd/store/image-files.ts';
import type { ImageStore } from '../../blockd/store/image-store.ts';
import { checksumOf } from '../../blockd/table/block-checksum.ts';
import { BLOCK_BYTES, type Version, versionHigh, versionLow } from '../../blockd/table/block-version.ts';
import { DATA, HERE } from '../../blockd/table/version-run.ts';
import { realClock } from '../../common/clock.ts';
import { CrashDisk } from './crash-disk.ts';
import { settle } from './image-world.ts';

const LAYER = 'l00000000000000aa';
const BLOCKS = 4;
/** All that the other node keeps; the last block is here alone. */
const KEPT = 3;
const VERSION: Version = { epoch: 1, sequence: 1 };
const WORDS = { high: versionHigh(VERSION), low: versionLow(VERSION) };

const contentOf = (block: number): Buffer => Buffer.alloc(BLOCK_BYTES, 0x11 * (block + 1));

/** The node that keeps the rest. */
const keeper: BlockSource = {
  request(_node, _layer, runs, _cause, sink) {
    for (const run of runs) {
      for (let block = run.first; block < run.first + run.count; block++)
        sink.arrived({ ...run, first: block, count: 1 }, contentOf(block));
    }
    return () => undefined;
  },
};

function layerOf(store: ImageStore): LayerBlocks {
  return new LayerBlocks({ store, source: keeper, clock: realClock, node: 'a', members: () => ['a', 'b'] });
}

async function open(disk: CrashDisk, checkpointBytes: number): Promise<ImageStore> {
  const store = await openLayer(disk, '/layers', LAYER, { checkpointBytes });
  if (store === undefined) throw new Error('the layer is gone');
  return store;
}

async function makeStore(disk: CrashDisk): Promise<void> {
  const bytes = BLOCKS * BLOCK_BYTES;
  const store = await createLayer(disk, '/layers', { image: 'web', layer: LAYER, bytes, isOrigin: true });
  for (let block = 0; block < BLOCKS; block++) {
    store.file.install(contentOf(block), block * BLOCK_BYTES);
    store.table.write(block, Uint32Array.of(checksumOf(contentOf(block))), VERSION);
  }
  await store.close();
}

const STEPS: Readonly<Record<string, (store: ImageStore) => Promise<unknown>>> = {
  'let go': (store) =>
    store.copies.leaving({ first: 0, end: BLOCKS }, 'a', () =>
      store.copies.letGo([{ first: 0, count: KEPT, ...WORDS }], 'b'),
    ),
  'fetch back': async (store) => {
    await layerOf(store).fetch(0, 2, 'demand');
    await store.flush();
  },
  reclaim: (store) => store.copies.reclaim(0, BLOCKS),
};
const SEQUENCES = [
  ['let go'],
  ['let go', 'fetch back'],
  ['let go', 'fetch back', 'let go'],
  ['let go', 'reclaim'],
  ['let go', 'fetch back', 'reclaim'],
];

/** Runs the steps up to a cut after so many disk steps of the last; answers whether it came so far. */
async function runToCut(
  steps: readonly string[],
  cutAfter: number,
  checkpointBytes: number,
): Promise<CrashDisk | undefined> {
  const disk = new CrashDisk();
  await makeStore(disk);
  const store = await open(disk, checkpointBytes);
  for (const step of steps.slice(0, -1)) await STEPS[step]?.(store);
  const before = disk.steps;
  disk.cutAfter(cutAfter);
  const last = STEPS[steps.at(-1) ?? '']?.(store) ?? Promise.resolve();
  await Promise.race([last.catch(() => undefined), disk.cut]);
  await settle();
  return disk.steps - before < cutAfter ? undefined : disk;
}

function checkBlocks(store: ImageStore, where: string): void {
  for (let block = 0; block < BLOCKS; block++) {
    assert.ok(store.table.equals(block, WORDS.high, WORDS.low), `${where}: block ${block} has another version`);
    const content = store.table.contentOf(block);
    if (content === DATA && block < KEPT) assert.is(store.holderName(store.table.holderOf(block)), 'b', where);
    else assert.ok(content === (DATA | HERE) && store.file.isSound(block), `${where}: block ${block} is gone`);
  }
}

/** The image opens for writing, its last block is changed, and its daemon is killed. */
async function checkAsWriter(disk: CrashDisk, where: string): Promise<void> {
  const store = await open(disk, Number.MAX_SAFE_INTEGER);
  const image = new Image({ top: layerOf(store), clock: realClock });
  await image.open(2, { ...image.closing(), epoch: 1 }, null);
  const changed = Buffer.alloc(BLOCK_BYTES, 0xee);
  await image.write((BLOCKS - 1) * BLOCK_BYTES, changed, false);
  const again = await open(disk, Number.MAX_SAFE_INTEGER);
  const restarted = new Image({ top: layerOf(again), clock: realClock });
  for (let block = 0; block < BLOCKS; block++) {
    const read = Buffer.from(await restarted.readLater(block * BLOCK_BYTES, BLOCK_BYTES));
    assert.ok(read.equals(block < KEPT ? contentOf(block) : changed), `${where}: block ${block} reads otherwise`);
    if (block < KEPT) assert.ok(again.table.equals(block, WORDS.high, WORDS.low), `${where}: ${block} was taken over`);
  }
}

for (const checkpointBytes of [Number.MAX_SAFE_INTEGER, 0]) {
  test(`every crash of letting go ${checkpointBytes === 0 ? 'when each barrier writes a checkpoint' : ''}`, async () => {
    let checked = 0;
    for (const steps of SEQUENCES) {
      for (let cutAfter = 0; ; cutAfter++) {
        const disk = await runToCut(steps, cutAfter, checkpointBytes);
        if (disk === undefined) break;
        for (const loss of disk.losses()) {
          const where = `${steps.join(', ')}; cut after ${cutAfter} disk steps; ${JSON.stringify(loss)}`;
          const after = disk.afterCut(loss);
          checkBlocks(await open(after, Number.MAX_SAFE_INTEGER), where);
          checkBlocks(await open(after.afterCut({ kind: 'lose-all' }), Number.MAX_SAFE_INTEGER), where);
          await checkAsWriter(after, where);
          checked++;
        }
      }
    }
    console.log(`${SEQUENCES.length} sequences, ${checked} crashes`);
    assert.ok(checked > 20);
  });
}

test.run();
