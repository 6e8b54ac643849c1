import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openEpoch } from '../../../blockd/catalogue/catalogue.ts';
import { LevelStore } from '../../../blockd/catalogue/level-store.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import { LONE_NODE, LoneImages } from '../../../blockd/image/lone-images.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
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

test.run();
