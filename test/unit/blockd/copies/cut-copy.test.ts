// A copy of a top that was just cut: until the catalogue's records speak of it, it has as many keepers as what lies below it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RecordBook } from '../../../../blockd/layers/kept-records.ts';
import { createLayer } from '../../../../blockd/store/image-files.ts';
import type { ImageStore } from '../../../../blockd/store/image-store.ts';
import type { StoreState } from '../../../../blockd/store/store-record.ts';
import { keepersOf } from '../../../../blockd/upkeep/keepers.ts';
import { CrashDisk } from '../../../crash/crash-disk.ts';
import { BYTES, LAYER } from './copy-stores.ts';

const TOP = 'l0000000000000002';
/** Between the two, and in no record. */
const NEWER = 'l0000000000000003';
const CLOSED = { image: 'web', epoch: 1, generation: 2, lastSequence: 0, entries: 0, digest: '0'.repeat(32) };
const BELOW = { layer: LAYER, bytes: BYTES, lastSequence: 0, entries: 0, digest: '0'.repeat(32) };

/** A top over the layer; a copy of it once, or what somebody else's image has here. */
async function topOf(disk: CrashDisk, copied: Partial<StoreState>): Promise<ImageStore> {
  const state = { role: 'loose' as const, generation: 2, below: [BELOW], ...copied };
  return createLayer(disk, '/layers', { image: 'web', layer: TOP, bytes: BYTES, isOrigin: false, state });
}

async function recordsOf(disk: CrashDisk, copies: Readonly<Record<string, number>>): Promise<RecordBook> {
  const records = new RecordBook(disk, '/records.json', 'b');
  await records.load();
  const told = Object.entries(copies).map(([layer, count]) => ({ layer, copies: count }));
  await records.keep({ mark: { incarnation: 1, serial: 1 }, pins: [], copies: told, records: [] });
  return records;
}

test('a cache takes none of a copy whose top was just cut', async () => {
  const disk = new CrashDisk();
  const top = await topOf(disk, { copiedUpTo: 0 });
  assert.is((await recordsOf(disk, { [LAYER]: 2 })).copiesOfStore(top, false), 2);
});

test('nor of what an image with copies was closed with here just after the cut', async () => {
  const disk = new CrashDisk();
  const top = await topOf(disk, { closing: CLOSED });
  const records = await recordsOf(disk, { [LAYER]: 2 });
  assert.equal([records.copiesOfStore(top, true), records.copiesOfStore(top, false)], [2, 1]);
});

test('nor of a layer of which only the copy over it says that it is one', async () => {
  const disk = new CrashDisk();
  const top = await topOf(disk, { copiedUpTo: 0, below: [{ ...BELOW, layer: NEWER }, BELOW] });
  const newer = await createLayer(disk, '/layers', { image: 'layer', layer: NEWER, bytes: BYTES, isOrigin: false });
  const records = await recordsOf(disk, { [LAYER]: 2 });
  const copiesOf = (store: ImageStore): number => records.copiesOfStore(store, false);
  assert.equal([keepersOf(newer, [newer], copiesOf), keepersOf(newer, [top, newer], copiesOf)], [1, 2]);
});

test('of a clone without copies over a layer that has some it may', async () => {
  const disk = new CrashDisk();
  const top = await topOf(disk, {});
  assert.is((await recordsOf(disk, { [LAYER]: 2 })).copiesOfStore(top, false), 1);
});

test.run();
