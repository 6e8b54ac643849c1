// What was unfinished at the end of a layer's journal is cut off, and kept beside the layers: the newest, of bounded size, and
// no start fails for it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TORN_BYTES_MAX, TORN_FILES_MAX, TornEnds } from '../../../blockd/store/torn-ends.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { layerName } from './layered-image.ts';
import { shelfOn } from './quiet-shelf.ts';

const LAYER = layerName(1);
const JOURNAL = `/state/layers/${LAYER}.journal`;
const TORN = '/state/torn';

function standOn(disk: CrashDisk): { ends: TornEnds; said: string[] } {
  const said: string[] = [];
  const log = { warn: (fields: object, text: string) => void said.push(`${text} ${JSON.stringify(fields)}`) };
  return { ends: new TornEnds({ disk, directory: TORN, log }), said };
}

async function append(disk: CrashDisk, bytes: Uint8Array): Promise<number> {
  const file = await disk.open(JOURNAL, 'write');
  const end = await file.size();
  await file.write(bytes, end);
  await file.datasync();
  await file.close();
  return end;
}

/** A store that was closed, and what a power cut then wrote of another append. */
async function torn(disk: CrashDisk, bytes: Uint8Array): Promise<number> {
  const shelf = await shelfOn(disk, 'a');
  await shelf.create('web', LAYER, 4 * BLOCK_BYTES);
  await shelf.close();
  return append(disk, bytes);
}

test('a start cuts the end off and keeps it, and the next one finds nothing to cut', async () => {
  const disk = new CrashDisk();
  const end = await torn(disk, Buffer.from('SCJ1 half of it'));
  for (let start = 0; start < 2; start++) await (await shelfOn(disk, 'a')).close();
  const names = await disk.list(TORN);
  assert.equal(names, [`00000001-${LAYER}-at-${end}.torn`]);
  assert.is(Buffer.from(await disk.readWhole(`${TORN}/${names[0]}`)).toString(), 'SCJ1 half of it');
  assert.not(Buffer.from(await disk.readWhole(JOURNAL)).includes('half of it'));
});

test('room that was never written is no end to keep', async () => {
  const disk = new CrashDisk();
  await torn(disk, new Uint8Array(512));
  const shelf = await shelfOn(disk, 'a');
  assert.ok(shelf.layers.find(LAYER) !== undefined);
  assert.equal(await disk.list(TORN), []);
});

test('the newest are kept, each up to its limit, and a line names each', async () => {
  const disk = new CrashDisk();
  const { ends, said } = standOn(disk);
  await disk.replace(`${TORN}/mine.txt`, Buffer.from('not theirs'));
  for (let at = 1; at <= TORN_FILES_MAX + 2; at++) await ends.keep(LAYER, Buffer.alloc(9, at), at);
  await ends.keep(LAYER, Buffer.alloc(TORN_BYTES_MAX + 1, 7), 99);
  const names = (await disk.list(TORN)).filter((name) => name !== 'mine.txt');
  assert.is(names.length, TORN_FILES_MAX);
  assert.equal([names[0], names.at(-1)], [`00000004-${LAYER}-at-4.torn`, `00000019-${LAYER}-at-99.torn`]);
  assert.is((await disk.readWhole(`${TORN}/${names.at(-1)}`)).length, TORN_BYTES_MAX);
  assert.is(said.length, TORN_FILES_MAX + 3);
  assert.match(said.at(-1) ?? '', `"tornBytes":${TORN_BYTES_MAX + 1},"path":"${TORN}/${names.at(-1)}"`);
});

test('a disk without room for it keeps no layer from its image, and says so', async () => {
  const disk = new CrashDisk();
  const { ends, said } = standOn(disk);
  disk.isFull = true;
  await ends.keep(LAYER, Buffer.alloc(9, 1), 5);
  assert.match(said[0] ?? '', 'could not be kept');
  disk.isFull = false;
  await torn(disk, Buffer.from('SCJ1 half of it'));
  disk.failsSync = (path) => path.startsWith(TORN);
  const shelf = await shelfOn(disk, 'a');
  assert.ok(shelf.layers.find(LAYER) !== undefined);
});

test.run();
