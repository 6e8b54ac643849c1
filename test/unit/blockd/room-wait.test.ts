// What the disk had no room for at a start: tried again by itself, as soon as there may be room, and not all the time.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import type { Serve } from '../../../blockd/image/served-image.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { RoomWait } from '../../../blockd/upkeep/room-wait.ts';
import { codeOf, OperationError } from '../../../common/errors.ts';
import { createLog } from '../../../common/log.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { context } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';
import { ManualClock } from './manual-clock.ts';
import { shelfOn } from './quiet-shelf.ts';

const log = createLog('test', 'silent');
const NO_ROOM = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
const MINUTE_MS = 60_000;

/** A wait for room with a step that fails as told. */
class Stand {
  readonly clock = new ManualClock();
  tries = 0;
  freeBytes = 0;
  failure: Error | undefined = NO_ROOM;
  readonly wait: RoomWait;

  constructor(hasRoom = true) {
    const room = async (): Promise<{ freeBytes: number; totalBytes: number }> => ({
      freeBytes: this.freeBytes,
      totalBytes: 100,
    });
    this.wait = new RoomWait({ clock: this.clock, log, room: hasRoom ? room : undefined });
  }

  add(what = 'layer'): void {
    this.wait.add(what, async () => {
      this.tries++;
      if (this.failure !== undefined) throw this.failure;
    });
  }

  async triesIn(ms: number): Promise<number> {
    const before = this.tries;
    await this.clock.advance(ms);
    return this.tries - before;
  }
}

test('it is tried more and more seldom while the room does not grow, and within a second once it does', async () => {
  const stand = new Stand();
  stand.add();
  assert.is(await stand.triesIn(999), 0);
  assert.is(await stand.triesIn(5 * MINUTE_MS), 9);
  assert.is(await stand.triesIn(5 * MINUTE_MS), 5);
  stand.freeBytes = 1;
  assert.is(await stand.triesIn(1_000), 1);
  assert.is(await stand.triesIn(10_000), 0, 'what is free now was not enough');
  stand.freeBytes = 2;
  stand.failure = undefined;
  assert.is(await stand.triesIn(1_000), 1);
  assert.is(await stand.triesIn(10 * MINUTE_MS), 0, 'it is done');
  stand.failure = NO_ROOM;
  stand.add();
  assert.is(await stand.triesIn(4_000), 2, 'another one is tried soon');
  await stand.wait.stop();
  assert.is(await stand.triesIn(10 * MINUTE_MS), 0);
});

test('where nobody knows the room it is tried by the time alone', async () => {
  const stand = new Stand(false);
  stand.add();
  stand.failure = undefined;
  assert.is(await stand.triesIn(2_000), 1);
});

test('what fails otherwise is not tried again, and keeps no other from it', async () => {
  const stand = new Stand();
  stand.failure = new OperationError('IMAGE_DAMAGED', 'its table is not the one written');
  stand.add();
  let others = 0;
  stand.wait.add('other', async () => {
    if (++others < 2) throw NO_ROOM;
  });
  assert.is(await stand.triesIn(5 * MINUTE_MS), 1);
  assert.is(others, 2);
});

const LAYER = layerName(1);
const BYTES = 4 * BLOCK_BYTES;
const STACK = { layer: LAYER, generation: 1, below: [] };

/** A disk on which a writer of web was killed with changes that no record tells of. */
async function killed(): Promise<CrashDisk> {
  const disk = new CrashDisk();
  const shelf = await shelfOn(disk, 'a');
  const calls = blockCalls(shelf);
  await calls['image.create']({ image: 'web', layer: LAYER, bytes: BYTES }, context);
  const last = shelf.get('web').image.closing();
  const from = { node: 'a', address: '127.0.0.1' };
  await calls['image.open']({ image: 'web', bytes: BYTES, stack: STACK, epoch: 1, last, from }, context);
  const { image } = shelf.get('web');
  await image.write(0, Buffer.alloc(BLOCK_BYTES, 1), true);
  await image.write(0, Buffer.alloc(BLOCK_BYTES, 2), false);
  return disk.afterCut({ kind: 'keep-all' });
}

function read(shelf: ImageShelf): number | undefined {
  const into = Buffer.alloc(1);
  return shelf.get('web').image.tryRead(0, into, true) ? into[0] : undefined;
}

const refusalOf = async (shelf: ImageShelf): Promise<unknown> =>
  Promise.resolve()
    .then(() => blockCalls(shelf)['image.show']({ image: 'web' }, context))
    .catch((error: unknown) => error);

test('an image for which a start had no room says so, and is served once there is (S9)', async () => {
  const disk = await killed();
  const clock = new ManualClock();
  disk.isFull = true;
  const shelf = await shelfOn(disk, 'a', { clock });
  const refusal = await refusalOf(shelf);
  assert.is(codeOf(refusal), 'IMAGE_UNUSABLE');
  assert.match(refusal instanceof OperationError ? refusal.remedy : '', /Make room.*by itself/);
  assert.equal((await blockCalls(shelf)['store.report']({}, context)).unusable, [LAYER]);
  await clock.advance(MINUTE_MS);
  assert.is(codeOf(await refusalOf(shelf)), 'IMAGE_UNUSABLE');
  disk.isFull = false;
  await clock.advance(MINUTE_MS);
  assert.is(shelf.get('web').image.store.state.role, 'writer');
  assert.is(read(shelf), 2);
  assert.equal((await blockCalls(shelf)['store.report']({}, context)).unusable, []);
  await shelf.get('web').image.write(0, Buffer.alloc(BLOCK_BYTES, 3), true);
  await shelf.close();
  const again = await shelfOn(disk, 'a');
  assert.is(read(again), 3);
  await again.close();
});

test('one that is dropped meanwhile does not come back', async () => {
  const disk = await killed();
  const clock = new ManualClock();
  disk.isFull = true;
  const shelf = await shelfOn(disk, 'a', { clock });
  await shelf.drop(LAYER);
  disk.isFull = false;
  await clock.advance(2 * MINUTE_MS);
  assert.equal([shelf.find('web'), shelf.layers.find(LAYER), shelf.layers.unusable], [undefined, undefined, []]);
  await shelf.close();
});

test('one that is dropped while it is opened again is there or is not, and nothing between', async () => {
  let dropped = 0;
  for (let turns = 95; turns < 395; turns += 3) {
    const disk = await killed();
    const clock = new ManualClock();
    disk.isFull = true;
    const shelf = await shelfOn(disk, 'a', { clock });
    disk.isFull = false;
    const advanced = clock.advance(MINUTE_MS);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const outcome = await shelf.drop(LAYER).then(() => 'dropped', codeOf);
    await advanced;
    await clock.advance(2 * MINUTE_MS);
    const here = [shelf.find('web') !== undefined, shelf.layers.find(LAYER) !== undefined];
    if (outcome === 'dropped') dropped++;
    else assert.is(outcome, 'LAYER_IN_USE');
    assert.equal(here, outcome === 'dropped' ? [false, false] : [true, true], `after ${turns} turns: ${outcome}`);
    await shelf.close();
  }
  assert.ok(dropped > 10 && dropped < 90, `${dropped}`);
});

test('an image whose export finds no room is served once there is', async () => {
  const disk = await killed();
  const clock = new ManualClock();
  let isFull = true;
  let served = 0;
  const serve: Serve = async (_device, name) => {
    if (isFull) throw NO_ROOM;
    served++;
    return { path: `/${name}.sock`, connections: 0, close: async () => undefined };
  };
  const shelf = await shelfOn(disk, 'a', { clock, serve });
  await clock.advance(MINUTE_MS);
  assert.is(served, 0);
  isFull = false;
  await clock.advance(2 * MINUTE_MS);
  assert.is(served, 1);
  await shelf.close();
});

test.run();
