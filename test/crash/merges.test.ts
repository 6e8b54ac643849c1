// Two layers under an open image merged, a power cut before each disk step of it, each loss of what was unsynced, and again
// before each step of the recovery: every block reads as before, the merge comes to its end, and the upper layer is gone.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ImageShelf } from '../../blockd/image/image-shelf.ts';
import type { MergeOrder } from '../../blockd/layers/layer-merges.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { codeOf } from '../../common/errors.ts';
import { isSettled, ManualClock } from '../unit/blockd/manual-clock.ts';
import { shelfOn } from '../unit/blockd/quiet-shelf.ts';
import { CrashDisk } from './crash-disk.ts';
import type { Loss } from './inode.ts';

const BLOCKS = 8;
const BYTES = BLOCKS * BLOCK_BYTES;
const [LOWER, UPPER, TOP] = ['l00000000000000a1', 'l00000000000000a2', 'l00000000000000a3'] as const;
/** Of the lower layer alone, hidden by the upper one, zeroed by it, in it alone, hidden by the top, never written. */
const EXPECTED = [1, 2, 0, 2, 3, 0, 1, 2];
const FROM = { node: 'a', address: '127.0.0.1' };
const { signal } = new AbortController();

/** A store whose time goes on by itself while something is waited for. */
class Store {
  readonly clock = new ManualClock();
  readonly disk: CrashDisk;
  #shelf: ImageShelf | undefined;

  constructor(disk: CrashDisk) {
    this.disk = disk;
  }

  async start(): Promise<this> {
    this.#shelf = await shelfOn(this.disk, 'a', { clock: this.clock });
    // What was broken off is gone on with.
    await this.clock.advance(100);
    return this;
  }

  get shelf(): ImageShelf {
    if (this.#shelf === undefined) throw new Error('the store was not started');
    return this.#shelf;
  }

  async merge(order: MergeOrder): Promise<boolean> {
    const work = this.shelf.merges.merge(order);
    work.catch(() => undefined);
    for (let turn = 0; turn < 100 && !(await isSettled(work)); turn++) await this.clock.advance(100);
    return (await isSettled(work)) && work;
  }

  read(): number[] {
    const into = Buffer.alloc(BYTES);
    assert.ok(this.shelf.get('web').image.tryRead(0, into), 'the image is open and all here');
    return Array.from({ length: BLOCKS }, (_, block) => into[block * BLOCK_BYTES] ?? -1);
  }

  get layers(): string[] {
    return this.shelf.layers.all.map(({ store }) => store.layer).sort();
  }
}

async function fill(shelf: ImageShelf, fillings: readonly (readonly [block: number, fill: number])[]): Promise<void> {
  const { image } = shelf.get('web');
  for (const [block, byte] of fillings) {
    if (byte === 0) await image.zero(block * BLOCK_BYTES, BLOCK_BYTES, true);
    else await image.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, byte), true);
  }
}

/** An image of three layers, open, and the order to merge the lower two. */
async function layered(): Promise<{ store: Store; order: MergeOrder }> {
  const store = await new Store(new CrashDisk()).start();
  const { shelf } = store;
  await shelf.create('web', LOWER, BYTES);
  const host = shelf.get('web');
  await host.open({ epoch: 1, last: host.image.closing(), from: FROM }, signal);
  await fill(
    shelf,
    [0, 1, 2, 4, 6].map((block) => [block, 1] as const),
  );
  const [lower] = await shelf.cuts.cut({ id: '00000000000000c1', images: [{ image: 'web', layer: UPPER }] });
  await fill(shelf, [
    [1, 2],
    [2, 0],
    [3, 2],
    [4, 2],
    [7, 2],
  ]);
  const [upper] = await shelf.cuts.cut({ id: '00000000000000c2', images: [{ image: 'web', layer: TOP }] });
  await fill(shelf, [[4, 3]]);
  if (lower === undefined || upper === undefined) throw new Error('nothing was cut');
  const [from, into] = [upper.sealed, lower.sealed];
  const planning = shelf.merges.plan(from, into);
  await store.clock.advance(10);
  const merged = { ...(await planning), merged: [{ layer: UPPER, lastSequence: from.lastSequence }] };
  return { store, order: { merge: { from, into, merged }, newest: merged, source: 'a' } };
}

/** Everything that must hold after a recovery, however far the merge had come; then it comes to its end. */
async function verify(disk: CrashDisk, order: MergeOrder): Promise<void> {
  const store = await new Store(disk).start();
  assert.equal(store.read(), EXPECTED, 'after the recovery');
  assert.is(await store.merge(order), true);
  assert.equal(store.layers, [LOWER, TOP]);
  assert.equal(store.read(), EXPECTED, 'after the merge');
  assert.equal(store.shelf.get('web').image.store.state.below, [order.newest]);
  await fill(store.shelf, [[5, 9]]);
  const again = await new Store(store.disk.afterCut({ kind: 'lose-all' })).start();
  assert.equal(again.read(), EXPECTED.with(5, 9), 'after another start');
}

/** Does something with a store whose power fails after so many steps; answers whether it came so far. */
async function until(store: Store, cutAfter: number, work: () => Promise<unknown>): Promise<boolean> {
  const before = store.disk.steps;
  store.disk.cutAfter(cutAfter);
  await Promise.race([work().catch(() => undefined), store.disk.cut]);
  await store.clock.advance(1);
  return store.disk.steps - before >= cutAfter;
}

async function enumerateRecovery(disk: CrashDisk, loss: Loss, order: MergeOrder): Promise<number> {
  for (let cutAfter = 0; ; cutAfter++) {
    const store = new Store(disk.afterCut(loss));
    const hasCut = await until(store, cutAfter, () => store.start());
    for (const again of hasCut ? store.disk.losses() : [{ kind: 'keep-all' } as const]) {
      await verify(store.disk.afterCut(again), order);
    }
    if (!hasCut) return cutAfter;
  }
}

test('a power cut at each step of a merge under an open image, and at each step of the recovery', async () => {
  let crashes = 0;
  let recoveries = 0;
  for (let cutAfter = 0; ; cutAfter++) {
    const { store, order } = await layered();
    const hasCut = await until(store, cutAfter, () => store.merge(order));
    for (const loss of store.disk.losses()) {
      try {
        await verify(store.disk.afterCut(loss), order);
        crashes++;
        if (loss.kind === 'lose-all') recoveries += await enumerateRecovery(store.disk, loss, order);
      } catch (error) {
        const where = `power cut after ${cutAfter} disk steps of the merge; ${JSON.stringify(loss)}`;
        throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
    if (!hasCut) break;
  }
  console.log(`${crashes} crashes of a merge, ${recoveries} of a recovery`);
  assert.ok(crashes > 0 && recoveries > 0);
});

test('a full disk keeps a merge from its end, and the image from nothing', async () => {
  const { store, order } = await layered();
  store.disk.isFull = true;
  const outcome = await store.merge(order).catch((error: unknown) => codeOf(error));
  assert.is(outcome, 'ENOSPC');
  assert.equal(store.read(), EXPECTED);
  store.disk.isFull = false;
  assert.is(await store.merge(order), true);
  assert.equal(store.layers, [LOWER, TOP]);
  assert.equal(store.read(), EXPECTED);
});

test('whoever reads the lower layer as it was is waited for', async () => {
  const { store, order } = await layered();
  const reading = Promise.withResolvers<void>();
  const read = store.shelf.layers.reading([LOWER], () => reading.promise);
  assert.is(await store.merge(order).catch((error: unknown) => codeOf(error)), 'LAYER_IN_USE');
  assert.equal(store.layers, [LOWER, UPPER, TOP]);
  reading.resolve();
  await read;
  assert.is(await store.merge(order), true);
  assert.equal(store.read(), EXPECTED);
});

test.run();
