// An image that becomes larger while it is written: a cut with a larger top, also over a crash, and what its clients see.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import type { Serve } from '../../../blockd/image/served-image.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { codeOf } from '../../../common/errors.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { context } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';
import { ManualClock } from './manual-clock.ts';
import { shelfOn } from './quiet-shelf.ts';

const BLOCKS = 4;
const BYTES = BLOCKS * BLOCK_BYTES;
const [BASE, TOP, NEXT] = [layerName(1), layerName(2), layerName(3)] as const;
const CUT = 'c000000000000001';

class Stand {
  readonly disk = new CrashDisk();
  readonly clock = new ManualClock();
  /** What the export of web offers, and when its clients were asked to come again. */
  offered = 0;
  released = Promise.withResolvers<void>();
  #shelf: ImageShelf | undefined;

  static async make(): Promise<Stand> {
    const stand = new Stand();
    await stand.start();
    await stand.calls['image.create']({ image: 'web', layer: BASE, bytes: BYTES }, context);
    const stack = { layer: BASE, generation: 1, below: [] };
    const last = stand.shelf.get('web').image.closing();
    const from = { node: 'a', address: '127.0.0.1' };
    await stand.calls['image.open']({ image: 'web', bytes: BYTES, stack, epoch: 1, last, from }, context);
    await stand.write(BLOCKS - 1, 1);
    return stand;
  }

  async start(): Promise<void> {
    const serve: Serve = async (_device, name, bytes) => {
      this.offered = bytes;
      const grow = (size: number): void => {
        this.offered = size;
      };
      const release = (): Promise<void> => this.released.promise;
      return { path: name, connections: 0, grow, release, close: async () => undefined };
    };
    this.#shelf = await shelfOn(this.disk, 'a', { serve, clock: this.clock });
  }

  get shelf(): ImageShelf {
    if (this.#shelf === undefined) throw new Error('not started');
    return this.#shelf;
  }

  get calls(): ReturnType<typeof blockCalls> {
    return blockCalls(this.shelf);
  }

  async cut(bytes: number, layer: string = TOP, cut = CUT): Promise<unknown> {
    return this.calls['image.cut']({ cut, cuts: [{ image: 'web', layer, bytes }] }, context);
  }

  async write(block: number, pattern: number): Promise<void> {
    await this.shelf.get('web').image.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, pattern), true);
  }

  /** The first byte of each block. */
  async read(blocks: number): Promise<number[]> {
    const all = await this.shelf.get('web').image.readLater(0, blocks * BLOCK_BYTES);
    return Array.from({ length: blocks }, (_, block) => all[block * BLOCK_BYTES] ?? -1);
  }
}

test('what was there stays, what is new is zeros and can be written, and clients are offered the size', async () => {
  const stand = await Stand.make();
  assert.is(stand.offered, BYTES);
  await stand.cut(2 * BYTES);
  assert.is(stand.offered, 2 * BYTES);
  assert.is((await stand.calls['image.show']({ image: 'web' }, context)).bytes, 2 * BYTES);
  assert.equal(await stand.read(8), [0, 0, 0, 1, 0, 0, 0, 0]);
  await stand.write(7, 2);
  await stand.write(3, 3);
  await stand.cut(3 * BYTES, NEXT, 'c000000000000002');
  assert.equal(await stand.read(12), [0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0]);
  await stand.shelf.close();
  await stand.start();
  assert.is(stand.offered, 3 * BYTES, 'after a restart too');
  assert.equal(await stand.read(12), [0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0]);
  await stand.shelf.close();
});

test('again the same is well; a smaller size, or half a block, is refused and nothing is changed', async () => {
  const stand = await Stand.make();
  const made = await stand.cut(2 * BYTES);
  assert.equal(await stand.cut(2 * BYTES), made);
  for (const [bytes, code] of [
    [BYTES, 'SHRINK_REFUSED'],
    [2 * BYTES + 512, 'BAD_SIZE'],
  ] as const) {
    assert.is(codeOf(await stand.cut(bytes, NEXT, 'c000000000000002').catch((error: unknown) => error)), code);
  }
  assert.equal([stand.offered, await stand.read(8)], [2 * BYTES, [0, 0, 0, 1, 0, 0, 0, 0]]);
  await stand.write(6, 5);
  assert.equal(await stand.read(8), [0, 0, 0, 1, 0, 0, 5, 0]);
  await stand.shelf.close();
});

test('a growth that a stop broke off is completed at the next start, with its size', async () => {
  const stand = await Stand.make();
  await stand.shelf.get('web').image.standStill({ id: CUT, images: [{ image: 'web', layer: TOP, bytes: 2 * BYTES }] });
  await stand.shelf.close();
  await stand.start();
  assert.equal([stand.offered, await stand.read(8)], [2 * BYTES, [0, 0, 0, 1, 0, 0, 0, 0]]);
  const [sealed] = (await stand.calls['cut.cancel']({ cut: CUT, images: ['web'] }, context)).sealed;
  assert.equal([sealed?.sealed.layer, sealed?.sealed.bytes], [BASE, BYTES]);
  await stand.write(7, 2);
  await stand.shelf.close();
});

test('its clients are waited for, and one that waits for an answer is told of', async () => {
  const stand = await Stand.make();
  const renewed = stand.calls['export.renew']({ image: 'web' }, context);
  stand.released.resolve();
  assert.equal(await renewed, {});
  stand.released = Promise.withResolvers();
  const late = Promise.resolve(stand.calls['export.renew']({ image: 'web' }, context)).catch((error: unknown) => error);
  await stand.clock.advance(10_000);
  assert.is(codeOf(await late), 'EXPORT_BUSY');
  await stand.shelf.close();
});

test.run();
