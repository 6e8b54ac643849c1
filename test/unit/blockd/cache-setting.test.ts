// The cap on cached blocks as a person sees and sets it at a store.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import type { CacheState } from '../../../wire/contracts/cache.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { context } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';
import { shelfOn } from './quiet-shelf.ts';

const ROOM = { freeBytes: 700, totalBytes: 1_000 };

/** A start of a store whose configuration says so. */
function start(disk: CrashDisk, capBytes: number | undefined): Promise<ImageShelf> {
  return shelfOn(disk, 'a', { cache: { capBytes, room: async () => ROOM } });
}

const show = async (shelf: ImageShelf): Promise<CacheState> => blockCalls(shelf)['cache.show']({}, context);

test('what the configuration says holds until somebody says otherwise, and that holds over restarts', async () => {
  const disk = new CrashDisk();
  const first = await start(disk, 5);
  assert.equal(await show(first), { capBytes: 5, cachedBytes: 0, ...ROOM });
  assert.is((await blockCalls(first)['cache.set']({ capBytes: 9 }, context)).capBytes, 9);
  await first.close();
  const second = await start(disk.afterCut({ kind: 'lose-all' }), 5);
  assert.is((await show(second)).capBytes, 9);
  assert.is((await blockCalls(second)['cache.set']({ capBytes: null }, context)).capBytes, null);
  assert.is((await show(second)).capBytes, null);
  await second.close();
});

test('what no open image needs is cached', async () => {
  const shelf = await start(new CrashDisk(), undefined);
  const calls = blockCalls(shelf);
  const layer = layerName(1);
  await calls['image.create']({ image: 'web', layer, bytes: 4 * BLOCK_BYTES }, context);
  const last = shelf.get('web').image.closing();
  const stack = { layer, generation: 1, below: [] };
  const from = { node: 'a', address: '127.0.0.1' };
  await calls['image.open']({ image: 'web', bytes: 4 * BLOCK_BYTES, stack, epoch: 1, last, from }, context);
  await shelf.get('web').image.write(0, Buffer.alloc(BLOCK_BYTES, 1), true);
  assert.equal(await show(shelf), { capBytes: null, cachedBytes: 0, ...ROOM });
  await calls['image.close']({ image: 'web', layer, epoch: 1 }, context);
  assert.is((await show(shelf)).cachedBytes, BLOCK_BYTES);
  await shelf.close();
});

test('a disk that does not take it leaves the cap as it was', async () => {
  const disk = new CrashDisk();
  const shelf = await start(disk, 5);
  disk.isFull = true;
  const error = await Promise.resolve(blockCalls(shelf)['cache.set']({ capBytes: 9 }, context)).catch(codeOf);
  assert.is(error, 'ENOSPC');
  assert.is((await show(shelf)).capBytes, 5);
  disk.isFull = false;
  await shelf.close();
});

test('a store that lets go of nothing says so', async () => {
  const shelf = await shelfOn(new CrashDisk(), 'a');
  assert.is(await show(shelf).catch(codeOf), 'NO_CACHE');
  await shelf.close();
});

test.run();
