// All sequences of up to three steps on an image of four blocks, a crash before each of their disk steps, each loss of
// what was unsynced: no flushed write is lost, no version names two contents, no number comes twice (S1, S3), also where
// the disk was full (S9) or a sync failed and only the daemon was restarted (S2).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Image } from '../../blockd/image/image.ts';
import { LayerBlocks } from '../../blockd/image/layer-blocks.ts';
import { createLayer, openLayer } from '../../blockd/store/image-files.ts';
import type { ImageStore } from '../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { realClock } from '../../common/clock.ts';
import { codeOf } from '../../common/errors.ts';
import { CrashDisk } from './crash-disk.ts';
import { ImageModel } from './image-model.ts';

const BYTES = 4 * BLOCK_BYTES;
const DIRECTORY = '/images';
const LAYER = 'l00000000000000aa';
const MIGRATION = '00000000000000aa';
const STEPS = [
  'write',
  'unaligned',
  'zero',
  'trim',
  'flush',
  'fua',
  'publish',
  'hold',
  'reopen',
  'full',
  'restart',
] as const;
type Step = (typeof STEPS)[number];
/** Turns of the event loop's microtasks in which everything that can go on has done so. */
const SETTLE_TURNS = 60;

/** An image on a disk, with the model of what it must be. */
interface World {
  readonly disk: CrashDisk;
  readonly model: ImageModel;
  image: Image;
}

const source = {
  request(): void {
    throw new Error('nothing is fetched here');
  },
};

function imageOf(store: ImageStore): Image {
  const top = new LayerBlocks({ store, source, clock: realClock, node: 'a', members: () => [] });
  return new Image({ top, clock: realClock });
}

async function openOn(disk: CrashDisk, checkpointBytes: number | undefined): Promise<Image> {
  const { dropCached } = disk;
  const options = checkpointBytes === undefined ? { dropCached } : { dropCached, checkpointBytes };
  const store = await openLayer(disk, DIRECTORY, LAYER, options);
  if (store === undefined) throw new Error('the image is gone');
  return imageOf(store);
}

async function makeWorld(checkpointBytes: number | undefined): Promise<World> {
  const disk = new CrashDisk();
  const store = await createLayer(disk, DIRECTORY, { image: 'web', layer: LAYER, bytes: BYTES, isOrigin: true });
  const fresh = imageOf(store);
  await fresh.open(1, fresh.closing(), null);
  await fresh.store.close();
  return { disk, model: new ImageModel(BYTES), image: await openOn(disk, checkpointBytes) };
}

async function take(world: World, step: Step, mark: number, checkpointBytes: number | undefined): Promise<void> {
  const { model, image } = world;
  switch (step) {
    case 'write':
      return change(world, 0, Buffer.alloc(2 * BLOCK_BYTES, mark), false);
    case 'unaligned':
      return change(world, BLOCK_BYTES + 1000, Buffer.alloc(BLOCK_BYTES, mark), false);
    case 'fua':
      return change(world, 2 * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, mark), true);
    case 'zero':
      model.change(BLOCK_BYTES + 1024, Buffer.alloc(9000));
      await image.zero(BLOCK_BYTES + 1024, 9000, false);
      return;
    case 'trim':
      model.change(0, Buffer.alloc(2 * BLOCK_BYTES));
      await image.trim(0, 2 * BLOCK_BYTES, false);
      return;
    case 'flush':
      await image.flush();
      model.flushed();
      return;
    case 'publish':
      return publish(world);
    case 'hold':
      await image.freeze(MIGRATION);
      model.flushed();
      await image.thaw();
      return;
    case 'reopen':
      await image.store.close();
      model.flushed();
      world.image = await openOn(world.disk, checkpointBytes);
      return;
    case 'full':
      return flushWithoutRoom(world);
    case 'restart':
      return restart(world, mark % 2 === 0 ? '.data' : '.journal', checkpointBytes);
  }
}

/** A flush fails for want of room, or had nothing to do; the image goes on. */
async function flushWithoutRoom({ disk, model, image }: World): Promise<void> {
  disk.isFull = true;
  const error = await failureOf(image);
  disk.isFull = false;
  if (error === undefined) model.flushed();
  else assert.is(codeOf(error), 'ENOSPC');
}

/** A flush fails at the disk, or had nothing to do; then the daemon is killed and started on the same kernel. */
async function restart(world: World, failing: string, checkpointBytes: number | undefined): Promise<void> {
  const { disk, model, image } = world;
  disk.failsSync = (path) => path.includes(failing);
  const error = await failureOf(image);
  disk.failsSync = () => false;
  if (error === undefined) model.flushed();
  else assert.is(codeOf(error), 'STORE_FAILED');
  world.image = await openOn(disk, checkpointBytes);
  model.restarted(world.image);
}

/** What a flush fails with. */
async function failureOf(image: Image): Promise<unknown> {
  try {
    await image.flush();
    return undefined;
  } catch (error) {
    return error;
  }
}

async function change({ model, image }: World, offset: number, data: Buffer, fua: boolean): Promise<void> {
  model.change(offset, data);
  await image.write(offset, data, fua);
  model.used(image.store.table.lastSequence);
  if (fua) model.flushed(offset, data.length);
}

async function publish({ model, image }: World): Promise<void> {
  const told = (runs: Buffer): void => model.published(runs, image);
  image.store.follow({ whole: told, changes: told });
  await image.store.flush();
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await Promise.resolve();
}

async function runAll(world: World, steps: readonly Step[], checkpointBytes: number | undefined): Promise<void> {
  for (const [index, step] of steps.entries()) {
    await take(world, step, index + 1, checkpointBytes);
    await settle();
    world.model.used(world.image.store.table.lastSequence);
    // What is durable may be told at any time, and names its content from now on.
    const { table } = world.image.store;
    if (!table.hasChanges) world.model.published(table.runs(), world.image);
  }
}

/** Runs the steps up to a power cut after so many disk steps of the last one; answers whether it came so far. */
async function runToCut(
  steps: readonly Step[],
  cutAfter: number,
  checkpointBytes: number | undefined,
): Promise<World | undefined> {
  const world = await makeWorld(checkpointBytes);
  await runAll(world, steps.slice(0, -1), checkpointBytes);
  const before = world.disk.steps;
  world.disk.cutAfter(cutAfter);
  const last = steps.at(-1);
  const ran = last === undefined ? Promise.resolve() : take(world, last, steps.length, checkpointBytes);
  await Promise.race([ran.catch(() => undefined), world.disk.cut]);
  await settle();
  world.model.used(world.image.store.table.lastSequence);
  return world.disk.steps - before < cutAfter ? undefined : world;
}

/** Cuts the power before each disk step of the last step, and after it; earlier ones are other sequences' last. */
async function enumerate(steps: readonly Step[], checkpointBytes: number | undefined): Promise<number> {
  let checked = 0;
  for (let cutAfter = 0; ; cutAfter++) {
    const world = await runToCut(steps, cutAfter, checkpointBytes);
    if (world === undefined) return checked;
    for (const loss of world.disk.losses()) {
      try {
        await verifyTwice(world, world.disk.afterCut(loss), checkpointBytes);
      } catch (error) {
        const where = `${steps.join(', ')}; power cut after ${cutAfter} disk steps of the last; ${JSON.stringify(loss)}`;
        throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
      checked++;
    }
  }
}

/** Recovers, and recovers again after a second cut that loses what the first recovery had not synced. */
async function verifyTwice(world: World, disk: CrashDisk, checkpointBytes: number | undefined): Promise<void> {
  const model = world.model.fork();
  await model.verify(await openOn(disk, checkpointBytes));
  await model.verify(await openOn(disk.afterCut({ kind: 'lose-all' }), checkpointBytes));
}

function sequences(length: number): Step[][] {
  if (length === 0) return [[]];
  return sequences(length - 1).flatMap((steps) => STEPS.map((step) => [...steps, step]));
}

for (const length of [1, 2, 3]) {
  test(`every crash in sequences of ${length}`, async () => {
    let checked = 0;
    for (const steps of sequences(length)) checked += await enumerate(steps, undefined);
    console.log(`${STEPS.length ** length} sequences, ${checked} crashes`);
    assert.ok(checked >= STEPS.length ** length);
  });
}

test('every crash after a sync that failed over flushed data, and a restart', async () => {
  let checked = 0;
  for (const [before, after] of sequences(2)) {
    if (before === undefined || after === undefined) continue;
    checked += await enumerate(['write', 'flush', before, 'restart', after], undefined);
  }
  console.log(`${STEPS.length ** 2} sequences, ${checked} crashes`);
  assert.ok(checked > 0);
});

test('every crash when each barrier writes a checkpoint', async () => {
  let checked = 0;
  for (const steps of [...sequences(1), ...sequences(2)]) checked += await enumerate(steps, 0);
  console.log(`${checked} crashes`);
  assert.ok(checked > 0);
});

test.run();
