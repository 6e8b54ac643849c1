// An image that is cut twice while its copy is away: what was flushed stays readable there while the layers come (SOUNDNESS A13).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FRAME_TYPE } from '../../../../blockd/peer/peer-frame.ts';
import type { CrashDisk } from '../../../crash/crash-disk.ts';
import { isSettled } from '../manual-clock.ts';
import { BLOCKS, CopyStores, contentAfter, flushed, LAYER, LOST, SYNC, written } from './copy-stores.ts';

const SECOND = 'l0000000000000002';
const THIRD = 'l0000000000000003';
const [EARLIER, LATER] = [7, 9];

async function writtenAll(stores: CopyStores, fill: number): Promise<void> {
  for (let block = 0; block < BLOCKS; block++) await written(stores, block, fill);
}

async function cut(stores: CopyStores, serial: number, layer: string): Promise<void> {
  await stores.shelf('a').cuts.cut({ id: `00000000000000c${serial}`, images: [{ image: 'web', layer }] });
}

test('two cuts while the copy is away', async () => {
  const stores = await CopyStores.make(['a', 'b']);
  await stores.openAtA(SYNC);
  await writtenAll(stores, EARLIER);
  await flushed(stores);
  stores.away.add('b');
  stores.cutStreams();
  await cut(stores, 1, SECOND);
  await writtenAll(stores, LATER);
  await cut(stores, 2, THIRD);
  const flush = flushed(stores);
  await stores.clock.advance(10_000);
  assert.not(await isSettled(flush));
  // The second layer's blocks do not come for now: what stands there meanwhile may be looked at after each piece.
  const isLater = (bytes: Uint8Array): boolean => bytes[4] === FRAME_TYPE.blocks && bytes.at(-1) === LATER;
  const disks: CrashDisk[] = [];
  stores.heard = () => disks.push(stores.disk('b').afterCut(LOST));
  stores.tamperBlocks = stores.tamper = (bytes) => (isLater(bytes) ? new Uint8Array(0) : bytes);
  stores.away.delete('b');
  await stores.clock.advance(20_000);
  stores.heard = () => undefined;
  assert.ok(disks.length > 0);
  for (const disk of disks.filter((_, index) => index % 10 === 0)) {
    const content = await contentAfter({ afterCut: () => disk } as unknown as CrashDisk, LOST, THIRD, SECOND, LAYER);
    assert.ok(
      content.every((fill) => fill === EARLIER || fill === LATER),
      content.join(' '),
    );
  }
  stores.tamperBlocks = stores.tamper = (bytes) => bytes;
  await stores.clock.advance(120_000);
  assert.ok(await isSettled(flush));
  const content = await contentAfter(stores.disk('b'), LOST, THIRD, SECOND, LAYER);
  assert.ok(
    content.every((fill) => fill === LATER),
    content.join(' '),
  );
});

test.run();
