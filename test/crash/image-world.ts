// An image on a disk in memory with the model of what it must be, and the steps that a client, a transfer, an operator or a
// full or failing disk take with it. Not a test itself.
import * as assert from 'uvu/assert';
import { Image } from '../../blockd/image/image.ts';
import { createImage, openImage } from '../../blockd/store/image-files.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { realClock } from '../../common/clock.ts';
import { codeOf } from '../../common/errors.ts';
import { CrashDisk } from './crash-disk.ts';
import { ImageModel } from './image-model.ts';

const BYTES = 4 * BLOCK_BYTES;
const DIRECTORY = '/images';
const MIGRATION = '00000000000000aa';
export const STEPS = [
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
export type Step = (typeof STEPS)[number];
/** Turns of the event loop's microtasks in which everything that can go on has done so. */
const SETTLE_TURNS = 120;

/** An image on a disk, with the model of what it must be. */
export interface World {
  readonly disk: CrashDisk;
  readonly model: ImageModel;
  image: Image;
}

const source = {
  request(): never {
    throw new Error('nothing is fetched here');
  },
};

/** Opens the image as a daemon does at its start; undefined for the usual length of a journal. */
export async function openOn(disk: CrashDisk, checkpointBytes: number | undefined): Promise<Image> {
  const { dropCached } = disk;
  const options = checkpointBytes === undefined ? { dropCached } : { dropCached, checkpointBytes };
  const store = await openImage(disk, DIRECTORY, 'web', options);
  if (store === undefined) throw new Error('the image is gone');
  return new Image({ store, source, clock: realClock, node: 'a', members: () => [] });
}

/** A new image that is open for writing. */
export async function makeWorld(checkpointBytes: number | undefined, bytes = BYTES): Promise<World> {
  const disk = new CrashDisk();
  const store = await createImage(disk, DIRECTORY, { image: 'web', bytes, isOrigin: true });
  const fresh = new Image({ store, source, clock: realClock, node: 'a', members: () => [] });
  await fresh.open(1, fresh.closing(), null);
  await fresh.store.close();
  return { disk, model: new ImageModel(bytes), image: await openOn(disk, checkpointBytes) };
}

/** Takes one step; `mark` fills what it writes. */
export async function take(world: World, step: Step, mark: number, checkpointBytes: number | undefined): Promise<void> {
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

/** Writes; the model knows before the image does. */
export async function change({ model, image }: World, offset: number, data: Buffer, fua: boolean): Promise<void> {
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

/** Waits until nothing goes on any more. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await Promise.resolve();
}

/** Takes the steps, each once the one before is all over. */
export async function runAll(world: World, steps: readonly Step[], checkpointBytes: number | undefined): Promise<void> {
  for (const [index, step] of steps.entries()) {
    await take(world, step, index + 1, checkpointBytes);
    await settle();
    world.model.used(world.image.store.table.lastSequence);
    // What is durable may be told at any time, and names its content from now on.
    const { table } = world.image.store;
    if (!table.hasChanges) world.model.published(table.runs(), world.image);
  }
}

/** Checks what each loss leaves of a world whose power was cut, and answers how many there are. */
export async function verifyLosses(world: World, where: string, checkpointBytes: number | undefined): Promise<number> {
  const losses = world.disk.losses();
  for (const loss of losses) {
    try {
      await verifyTwice(world, world.disk.afterCut(loss), checkpointBytes);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${where}; ${JSON.stringify(loss)}: ${message}`, { cause: error });
    }
  }
  return losses.length;
}

/** Recovers, and recovers again after a second cut that loses what the first recovery had not synced. */
async function verifyTwice(world: World, disk: CrashDisk, checkpointBytes: number | undefined): Promise<void> {
  const model = world.model.fork();
  await model.verify(await openOn(disk, checkpointBytes));
  await model.verify(await openOn(disk.afterCut({ kind: 'lose-all' }), checkpointBytes));
}
