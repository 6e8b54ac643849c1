// Two images cut in one moment, a power cut before each disk step of it, each loss of what was unsynced, and again before
// each step of the recovery: both are cut or none is, what is sealed is the one moment, nothing flushed is lost (A15).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ImageShelf } from '../../blockd/image/image-shelf.ts';
import { StillImage } from '../../blockd/image/still-image.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { codeOf } from '../../common/errors.ts';
import { shelfOn } from '../unit/blockd/quiet-shelf.ts';
import { CrashDisk } from './crash-disk.ts';
import { enumerate, sequences } from './image-crashes.ts';
import type { Loss } from './inode.ts';

const BYTES = 4 * BLOCK_BYTES;
const NAMES = ['web', 'data'] as const;
const TOPS = { web: 'l00000000000000a1', data: 'l00000000000000d1' } as const;
const CUT = {
  id: '00000000000000cc',
  images: [
    { image: 'web', layer: 'l00000000000000a2' },
    { image: 'data', layer: 'l00000000000000d2' },
  ],
};
const FROM = { node: 'a', address: '127.0.0.1' };
const { signal } = new AbortController();
/** Written and flushed before the cut, then written over without a flush. */
const FLUSHED = 1;
const WRITTEN = 2;
const LATER = 3;
const SETTLE_TURNS = 200;

async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await Promise.resolve();
}

function block(fill: number): Buffer {
  return Buffer.alloc(BLOCK_BYTES, fill);
}

/** Both images open for writing, with something flushed and something not. */
async function writing(): Promise<{ disk: CrashDisk; shelf: ImageShelf }> {
  const disk = new CrashDisk();
  const shelf = await shelfOn(disk, 'a');
  for (const image of NAMES) {
    await shelf.create(image, TOPS[image], BYTES);
    const host = shelf.get(image);
    await host.open({ epoch: 1, last: host.image.closing(), from: FROM }, signal);
    await host.image.write(0, block(FLUSHED), true);
    await host.image.write(0, block(WRITTEN), false);
  }
  return { disk, shelf };
}

function firstByte(shelf: ImageShelf, image: string): number {
  const into = Buffer.alloc(BYTES);
  assert.ok(shelf.get(image).image.tryRead(0, into), `${image} is open and all here`);
  return into[0] ?? -1;
}

/** What the sealed layers of an image read as, without its top. */
function sealedByte(shelf: ImageShelf, image: string): number {
  const { below } = shelf.get(image).image.store.state;
  const into = Buffer.alloc(BYTES);
  new StillImage({ image, bytes: BYTES, layers: below }, shelf.layers).read(0, into);
  return into[0] ?? -1;
}

function generations(shelf: ImageShelf): number[] {
  return NAMES.map((image) => shelf.get(image).image.store.state.generation);
}

/** Everything that must hold after a recovery. */
async function verify(shelf: ImageShelf): Promise<void> {
  const [web, data] = generations(shelf);
  assert.is(web, data, 'both are cut or none is');
  for (const image of NAMES) {
    assert.is(shelf.get(image).image.store.state.role, 'writer');
    const now = firstByte(shelf, image);
    assert.ok(now === WRITTEN || (web === 1 && now === FLUSHED), `${image} reads as ${now}`);
    if (web === 2) assert.is(sealedByte(shelf, image), WRITTEN);
  }
}

/** The cut is asked for again, and then the images go on apart from what was sealed. */
async function completeAndGoOn(shelf: ImageShelf): Promise<void> {
  const wasCut = generations(shelf)[0] === 2;
  const before = NAMES.map((image) => firstByte(shelf, image));
  const sealed = await shelf.cuts.cut(CUT);
  assert.equal(generations(shelf), [2, 2]);
  assert.equal(await shelf.cuts.cut(CUT), sealed, 'the same again');
  for (const [index, image] of NAMES.entries()) {
    await shelf.get(image).image.write(0, block(LATER), true);
    assert.is(firstByte(shelf, image), LATER);
    assert.is(sealedByte(shelf, image), wasCut ? WRITTEN : before[index]);
    const { table } = shelf.get(image).image.store;
    assert.ok(table.lastSequence > (sealed[index]?.sealed.lastSequence ?? 0), 'numbers go on over the layers');
  }
}

/** Starts a daemon on the disk whose power fails after so many steps; answers whether it came so far. */
async function startsUntil(disk: CrashDisk, cutAfter: number): Promise<boolean> {
  const before = disk.steps;
  disk.cutAfter(cutAfter);
  await Promise.race([shelfOn(disk, 'a').catch(() => undefined), disk.cut]);
  await settle();
  return disk.steps - before >= cutAfter;
}

/** Cuts the power before each step of the recovery too. */
async function enumerateRecovery(disk: CrashDisk, loss: Loss): Promise<number> {
  for (let cutAfter = 0; ; cutAfter++) {
    const once = disk.afterCut(loss);
    const hasCut = await startsUntil(once, cutAfter);
    for (const again of hasCut ? once.losses() : [{ kind: 'keep-all' } as const]) {
      await verify(await shelfOn(once.afterCut(again), 'a'));
    }
    if (!hasCut) return cutAfter;
  }
}

test('a power cut at each step of a cut of two images, and at each step of the recovery', async () => {
  let crashes = 0;
  let recoveries = 0;
  const seen = new Set<number>();
  for (let cutAfter = 0; ; cutAfter++) {
    const { disk, shelf } = await writing();
    const before = disk.steps;
    disk.cutAfter(cutAfter);
    await Promise.race([shelf.cuts.cut(CUT).catch(() => undefined), disk.cut]);
    await settle();
    const hasCut = disk.steps - before >= cutAfter;
    for (const loss of disk.losses()) {
      try {
        const again = await shelfOn(disk.afterCut(loss), 'a');
        await verify(again);
        seen.add(generations(again)[0] ?? 0);
        await completeAndGoOn(again);
        crashes++;
        if (loss.kind !== 'lose-part') recoveries += await enumerateRecovery(disk, loss);
      } catch (error) {
        const where = `power cut after ${cutAfter} disk steps of the cut; ${JSON.stringify(loss)}`;
        throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
    if (!hasCut) break;
  }
  console.log(`${crashes} crashes of a cut, ${recoveries} of a recovery`);
  assert.equal([...seen].sort(), [1, 2], 'some were cut and some were not');
});

test('every crash in sequences of up to two steps on a top over a layer with data', async () => {
  let checked = 0;
  for (const steps of [...sequences(1), ...sequences(2)]) checked += await enumerate(steps, { isLayered: true });
  console.log(`${checked} crashes over a layer`);
  assert.ok(checked > 0);
});

test('a cut that fails at the disk leaves both images as they were', async () => {
  for (const failing of ['l00000000000000a2', 'l00000000000000d2']) {
    const { disk, shelf } = await writing();
    disk.failsSync = (path) => path.includes(failing);
    const error = await shelf.cuts.cut(CUT).catch((reason: unknown) => reason);
    assert.ok(error instanceof Error);
    disk.failsSync = () => false;
    for (const image of NAMES) {
      await shelf.get(image).image.write(0, block(LATER), true);
      assert.is(firstByte(shelf, image), LATER);
    }
    const again = await shelfOn(disk.afterCut({ kind: 'lose-all' }), 'a');
    assert.equal(generations(again), [1, 1]);
    for (const image of NAMES) assert.is(firstByte(again, image), LATER);
    assert.equal(again.layers.all.length, 2, 'nothing is left of it');
  }
});

test('of two images one of which cannot stand still durably none is cut', async () => {
  const { disk, shelf } = await writing();
  disk.failsSync = (path) => path.includes(TOPS.data);
  const error = await shelf.cuts.cut(CUT).catch((reason: unknown) => reason);
  assert.is(codeOf(error), 'STORE_FAILED');
  await shelf.get('web').image.write(0, block(LATER), true);
  assert.is(firstByte(shelf, 'web'), LATER);
  const again = await shelfOn(disk.afterCut({ kind: 'keep-all' }), 'a');
  assert.equal(generations(again), [1, 1]);
});

test('a full disk fails the cut and nothing else', async () => {
  const { disk, shelf } = await writing();
  disk.isFull = true;
  assert.is(codeOf(await shelf.cuts.cut(CUT).catch((reason: unknown) => reason)), 'ENOSPC');
  disk.isFull = false;
  await completeAndGoOn(shelf);
});

test('a cut that was given up comes to nothing, one that was made says so', async () => {
  const { shelf } = await writing();
  assert.equal(await shelf.cuts.cancel(CUT.id, NAMES), []);
  assert.is(codeOf(await shelf.cuts.cut(CUT).catch((reason: unknown) => reason)), 'CUT_ENDED');
  assert.equal(generations(shelf), [1, 1]);
  const other = await writing();
  const sealed = await other.shelf.cuts.cut(CUT);
  assert.equal(await other.shelf.cuts.cancel(CUT.id, NAMES), sealed);
  assert.equal(generations(other.shelf), [2, 2]);
});

test('writes that come while an image is cut wait, and none is in what is sealed', async () => {
  const { disk, shelf } = await writing();
  const gate = Promise.withResolvers<void>();
  const open = disk.open.bind(disk);
  disk.open = async (path, mode) => {
    if (path.includes(CUT.images[0]?.layer ?? '')) await gate.promise;
    return open(path, mode);
  };
  const cutting = shelf.cuts.cut(CUT);
  await settle();
  const writes = NAMES.map((image) => shelf.get(image).image.write(0, block(LATER), true));
  await settle();
  assert.equal(
    NAMES.map((image) => firstByte(shelf, image)),
    [WRITTEN, WRITTEN],
    'reads go on',
  );
  gate.resolve();
  await cutting;
  await Promise.all(writes);
  for (const image of NAMES) {
    assert.is(firstByte(shelf, image), LATER);
    assert.is(sealedByte(shelf, image), WRITTEN);
  }
});

test('what was acknowledged over a layer outlives a kill of the daemon, zeros too (S1)', async () => {
  const { disk, shelf } = await writing();
  await shelf.cuts.cut(CUT);
  const { image } = shelf.get('web');
  await image.write(0, block(0), false);
  await image.write(BLOCK_BYTES + 100, Buffer.alloc(50, LATER), false);
  const again = await shelfOn(disk, 'a');
  const into = Buffer.alloc(BYTES);
  assert.ok(again.get('web').image.tryRead(0, into));
  assert.equal([into[0], into[BLOCK_BYTES + 100], into[BLOCK_BYTES]], [0, LATER, 0]);
});

test.run();
