import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openEpoch } from '../../../blockd/catalogue/catalogue.ts';
import { LevelStore } from '../../../blockd/catalogue/level-store.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import { LoneImages } from '../../../blockd/image/lone-images.ts';
import { LONE_NODE } from '../../../wire/contracts/alone.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { refusal } from '../../refusal.ts';
import { shelfOn } from './quiet-shelf.ts';

const WEB = { image: 'web', bytes: 16 * 4096 };
const { signal } = new AbortController();

let directory: string;
let catalogue: LevelStore;

test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lone-'));
  catalogue = await LevelStore.open(directory);
});

test.after.each(async () => {
  await catalogue.close();
  await rm(directory, { recursive: true, force: true });
});

async function goOn(shelf: ImageShelf): Promise<number> {
  const images = new LoneImages(shelf, catalogue);
  await images.make([]);
  await images.endLast('web');
  await images.open('web', signal);
  return shelf.get('web').image.store.state.epoch;
}

test('each start has a higher epoch', async () => {
  const disk = new CrashDisk();
  const shelf = await shelfOn(disk, LONE_NODE);
  await new LoneImages(shelf, catalogue).make([WEB]);
  assert.is(await goOn(shelf), 1);
  await shelf.close();
  assert.is(await goOn(await shelfOn(disk, LONE_NODE)), 2);
  assert.equal(catalogue.get('web').head.closings.length, 1);
});

test('a start that died before it wrote the image down is gone on from', async () => {
  const shelf = await shelfOn(new CrashDisk(), LONE_NODE);
  await shelf.create('web', 'l00000000000000aa', WEB.bytes);
  assert.is(await goOn(shelf), 1);
});

test('a start that died between the grant and the opening leaves its epoch to nobody', async () => {
  const shelf = await shelfOn(new CrashDisk(), LONE_NODE);
  await new LoneImages(shelf, catalogue).make([WEB]);
  const granted = openEpoch(catalogue.get('web'), LONE_NODE);
  await catalogue.commit(() => ({ change: { entries: [granted] }, answer: undefined }));
  assert.is(await goOn(shelf), 2);
});

test('a start that died between the end in the store and its record repeats it', async () => {
  const shelf = await shelfOn(new CrashDisk(), LONE_NODE);
  await new LoneImages(shelf, catalogue).make([WEB]);
  await goOn(shelf);
  await shelf.get('web').close(1);
  assert.is(await goOn(shelf), 2);
});

/** Written and flushed, then the daemon is gone. */
async function written(disk: CrashDisk): Promise<number> {
  const shelf = await shelfOn(disk, LONE_NODE);
  await new LoneImages(shelf, catalogue).make([WEB]);
  await goOn(shelf);
  await shelf.close();
  const again = await shelfOn(disk, LONE_NODE);
  const epoch = await goOn(again);
  await again.get('web').image.write(0, Buffer.alloc(4096, 7), true);
  return epoch;
}

async function firstByte(shelf: ImageShelf): Promise<number | undefined> {
  const block = Buffer.alloc(4096);
  assert.ok(shelf.get('web').image.tryRead(0, block));
  return block[0];
}

test('a catalogue that is gone is made again from the images, under epochs that were never used', async () => {
  const disk = new CrashDisk();
  const epoch = await written(disk);
  await catalogue.commit(() => ({ change: { removed: 'web' }, answer: undefined }));
  const shelf = await shelfOn(disk.afterKill(), LONE_NODE);
  assert.equal(await new LoneImages(shelf, catalogue).make([]), ['web']);
  assert.equal(await new LoneImages(shelf, catalogue).make([]), [], 'once');
  assert.is(await goOn(shelf), epoch + 1);
  assert.is(await firstByte(shelf), 7);
});

test('so is one that is older than the images: the newest opening is missing, or all since the first', async () => {
  for (const lost of ['the newest', 'all']) {
    const disk = new CrashDisk();
    const shelf = await shelfOn(disk, LONE_NODE);
    const images = new LoneImages(shelf, catalogue);
    await images.make([WEB]);
    const first = catalogue.get('web');
    await goOn(shelf);
    await shelf.get('web').image.write(0, Buffer.alloc(4096, 7), true);
    await images.endLast('web');
    const closed = catalogue.get('web');
    await images.open('web', signal);
    const old = lost === 'all' ? first : closed;
    await catalogue.commit(() => ({ change: { entries: [old] }, answer: undefined }));
    const later = await shelfOn(disk.afterKill(), LONE_NODE);
    assert.equal(await new LoneImages(later, catalogue).make([]), ['web'], lost);
    assert.is(await goOn(later), 3, lost);
    assert.is(await firstByte(later), 7);
    await catalogue.commit(() => ({ change: { removed: 'web' }, answer: undefined }));
  }
});

test('no image is made where one that cannot be used may have its name', async () => {
  const disk = new CrashDisk();
  await written(disk);
  await catalogue.commit(() => ({ change: { removed: 'web' }, answer: undefined }));
  const [journal = ''] = (await disk.list('/state/layers')).filter((name) => name.endsWith('.journal'));
  await disk.remove(`/state/layers/${journal}`);
  const images = new LoneImages(await shelfOn(disk, LONE_NODE), catalogue);
  assert.is((await refusal(images.make([WEB]))).code, 'IMAGE_UNUSABLE');
  const [said] = images.unserved;
  assert.match(said?.message ?? '', /an image is not served: layer l.* its file .*journal is gone/);
});

test.run();
