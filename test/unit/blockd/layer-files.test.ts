// A layer that lost a file or whose journal is damaged is refused, and nothing of it goes; one whose making or removal was cut
// off at any disk step is whole or gone after the next start.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLayer, openLayer } from '../../../blockd/store/image-files.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { deleteLayer, layerPaths, listLayers } from '../../../blockd/store/layer-files.ts';
import { importRaw } from '../../../blockd/store/raw-import.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import type { TableMark } from '../../../blockd/table/version-table.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { settle } from '../../crash/image-world.ts';
import { refusal } from '../../refusal.ts';
import { layerName } from './layered-image.ts';
import { learn } from './learnt.ts';

const DIRECTORY = '/layers';
const LAYER = layerName(1);
const PATHS = layerPaths(DIRECTORY, LAYER);
const CONTENT = Buffer.alloc(2 * BLOCK_BYTES, 7);

/** Data, a table and a journal of one frame, as an upload leaves them. */
async function imported(): Promise<CrashDisk> {
  const disk = new CrashDisk();
  const read = async (offset: number, length: number): Promise<Buffer> => CONTENT.subarray(offset, offset + length);
  const { signal } = new AbortController();
  const job = { image: 'web', layer: LAYER, progress: () => undefined, signal };
  await importRaw(disk, DIRECTORY, { bytes: CONTENT.length, read }, job);
  return disk;
}

function open(disk: CrashDisk): Promise<ImageStore | undefined> {
  return openLayer(disk, DIRECTORY, LAYER);
}

/** All that is in the directory, to be compared. */
async function filesOf(disk: CrashDisk): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of await disk.list(DIRECTORY)) {
    files.set(name, Buffer.from(await disk.readWhole(`${DIRECTORY}/${name}`)).toString('hex'));
  }
  return files;
}

async function assertRefused(disk: CrashDisk, code: string | RegExp, where: string): Promise<void> {
  const before = await filesOf(disk);
  assert.equal(await listLayers(disk, DIRECTORY), [LAYER], where);
  assert.match((await refusal(open(disk))).code, code, where);
  assert.equal(await filesOf(disk), before, `${where}: nothing of it goes`);
}

async function changed(path: string, change: (bytes: Buffer) => Buffer): Promise<CrashDisk> {
  const disk = await imported();
  const bytes = change(Buffer.from(await disk.readWhole(path)));
  await disk.remove(path);
  const file = await disk.open(path, 'write');
  await file.write(bytes, 0);
  return disk;
}

test('a journal of one frame in which any byte is another is refused, and the data stay', async () => {
  const length = (await (await imported()).readWhole(PATHS.journal)).length;
  for (let at = 0; at < length; at++) {
    const disk = await changed(PATHS.journal, (bytes) => {
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      return bytes;
    });
    await assertRefused(disk, /^JOURNAL_(DAMAGED|UNREADABLE)$/, `byte ${at}`);
  }
});

test('a journal that is cut short is refused, wherever no crash can have cut it', async () => {
  const { length } = await (await imported()).readWhole(PATHS.journal);
  for (let left = 0; left < length; left++) {
    // As it is while a layer is made or removed.
    if (left === 8) continue;
    const disk = await changed(PATHS.journal, (bytes) => bytes.subarray(0, left));
    await assertRefused(disk, 'JOURNAL_DAMAGED', `${left} bytes`);
  }
});

test('a layer without its journal, its data file or its table is refused by name of the file', async () => {
  for (const path of [PATHS.journal, PATHS.data]) {
    const disk = await imported();
    await disk.remove(path);
    await assertRefused(disk, 'IMAGE_DAMAGED', path);
    assert.match((await refusal(open(disk))).message, path);
  }
  const disk = await imported();
  await disk.remove(PATHS.table(1));
  await assertRefused(disk, 'IMAGE_DAMAGED', 'table');
});

test('a layer of which nothing is there is none', async () => {
  const disk = new CrashDisk();
  assert.is(await open(disk), undefined);
  assert.equal(await disk.list(DIRECTORY), []);
});

test('what is of no layer goes', async () => {
  const disk = await imported();
  for (const name of [`${layerName(2)}.table-1`, `${layerName(2)}.journal.rewrite`]) {
    await disk.open(`${DIRECTORY}/${name}`, 'write');
  }
  const before = await filesOf(await imported());
  await listLayers(disk, DIRECTORY);
  assert.equal(await filesOf(disk), before);
});

/** A layer that was sealed as heard, after a start had given one of its blocks a number of this store's own. */
async function renumbered(): Promise<{ disk: CrashDisk; store: ImageStore; proof: TableMark }> {
  const disk = new CrashDisk();
  const state = { role: 'loose' } as const;
  const fresh = { image: 'web', layer: LAYER, bytes: 2 * BLOCK_BYTES, isOrigin: false, state };
  const store = await createLayer(disk, DIRECTORY, fresh);
  learn(store.table, 0, [0, 2 ** 20 + 1], 0);
  store.table.lastSequence = 2 ** 20 + 1;
  await store.flush();
  learn(store.table, 0, [256, 38], 0);
  store.table.lastSequence = 38;
  const proof = store.table.mark;
  const closing = { image: 'web', epoch: 1, generation: 1, ...proof };
  await store.commit({ clean: true, state: { role: 'sealed', closing } });
  return { disk, store, proof };
}

test('a layer is as it was proven after a start too, though its journal has higher numbers of what was overwritten', async () => {
  const { disk, proof } = await renumbered();
  assert.equal((await open(disk.afterCut({ kind: 'lose-all' })))?.table.mark, proof);
});

test('and counts from where it did in the midst of a merge, which would not end as foretold otherwise', async () => {
  const { disk, store } = await renumbered();
  learn(store.table, 1, [256, 40], 0);
  await store.flush();
  assert.equal((await open(disk.afterCut({ kind: 'lose-all' })))?.table.mark, store.table.mark);
});

/** Cuts the work at each of its disk steps, with each loss, and hands over what the next start finds. */
async function atEachCut(
  begin: () => Promise<CrashDisk>,
  work: (disk: CrashDisk) => Promise<unknown>,
  judge: (disk: CrashDisk, where: string) => Promise<void>,
): Promise<number> {
  for (let steps = 0; ; steps++) {
    const disk = await begin();
    const before = disk.steps;
    disk.cutAfter(steps);
    await Promise.race([work(disk), disk.cut]);
    await settle();
    if (disk.steps - before < steps) return steps;
    for (const loss of disk.losses()) await judge(disk.afterCut(loss), `${steps} steps, ${JSON.stringify(loss)}`);
  }
}

test('a making that was cut off leaves a whole layer or none', async () => {
  const cuts = await atEachCut(
    async () => new CrashDisk(),
    (disk) => createLayer(disk, DIRECTORY, { image: 'web', layer: LAYER, bytes: 2 * BLOCK_BYTES, isOrigin: true }),
    async (disk, where) => {
      for (const layer of await listLayers(disk, DIRECTORY)) {
        assert.is(layer, LAYER, where);
        const store = await open(disk);
        if (store === undefined) assert.equal(await disk.list(DIRECTORY), [], where);
        else assert.is(store.blocks, 2, where);
      }
    },
  );
  assert.ok(cuts > 8);
});

test('a removal that was cut off leaves a whole layer or none', async () => {
  const cuts = await atEachCut(
    imported,
    (disk) => deleteLayer(disk, DIRECTORY, LAYER),
    async (disk, where) => {
      for (const layer of await listLayers(disk, DIRECTORY)) {
        assert.is(layer, LAYER, where);
        const store = await open(disk);
        if (store === undefined) assert.equal(await disk.list(DIRECTORY), [], where);
        else assert.ok(store.file.isSound(0) && store.file.isSound(1), where);
      }
    },
  );
  assert.ok(cuts > 5);
});

test.run();
