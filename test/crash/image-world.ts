// An image on a disk in memory with the model of what it must be, and the steps that a client, a transfer, an operator or a
// full or failing disk take with it. Not a test itself.
import * as assert from 'uvu/assert';
import { Image } from '../../blockd/image/image.ts';
import { ImageCuts } from '../../blockd/image/image-cuts.ts';
import { LayerBlocks } from '../../blockd/layers/layer-blocks.ts';
import { createLayer, type NewLayer, openLayer } from '../../blockd/store/image-files.ts';
import type { ImageStore } from '../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { codeOf } from '../../common/errors.ts';
import { createLog } from '../../common/log.ts';
import { ManualClock } from '../unit/blockd/manual-clock.ts';
import { runsOf } from '../unit/blockd/table-runs.ts';
import { CrashDisk } from './crash-disk.ts';
import { ImageModel } from './image-model.ts';

const BYTES = 4 * BLOCK_BYTES;
const DIRECTORY = '/images';
const LAYER = 'l00000000000000aa';
const TOP = 'l00000000000000bb';
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

/** How the image is kept. */
export interface Kind {
  /** A journal longer than this is replaced by a checkpoint. */
  readonly checkpointBytes?: number;
  /** Its content at the start lies in a layer below; the steps are taken on an empty top. */
  readonly isLayered?: boolean;
}

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

/** For it no time passes: barriers come when somebody asks for them. */
function imageOf(stores: readonly ImageStore[]): Image {
  const clock = new ManualClock();
  const layers = stores.map((store) => new LayerBlocks({ store, source, clock, node: 'a', members: () => [] }));
  const [top, ...below] = layers;
  if (top === undefined) throw new Error('an image has a layer');
  return new Image({ top, below, clock });
}

/** Opens the image as a daemon does at its start. */
export async function openOn(disk: CrashDisk, { checkpointBytes, isLayered = false }: Kind): Promise<Image> {
  const options = checkpointBytes === undefined ? {} : { checkpointBytes };
  const stores: ImageStore[] = [];
  for (const layer of isLayered ? [TOP, LAYER] : [LAYER]) {
    const store = await openLayer(disk, DIRECTORY, layer, options);
    if (store === undefined) throw new Error('a layer is gone');
    stores.push(store);
  }
  return imageOf(stores);
}

/** A new image that is open for writing. */
export async function makeWorld(kind: Kind, bytes = BYTES): Promise<World> {
  const disk = new CrashDisk();
  const model = new ImageModel(bytes);
  const store = await createLayer(disk, DIRECTORY, { image: 'web', layer: LAYER, bytes, isOrigin: true });
  const fresh = imageOf([store]);
  await fresh.open(1, fresh.closing(), null);
  if (kind.isLayered === true) await cover(disk, model, fresh);
  await fresh.store.close();
  return { disk, model, image: await openOn(disk, kind) };
}

/** Data in the first three of four blocks of what is below then. */
async function cover(disk: CrashDisk, model: ImageModel, image: Image): Promise<void> {
  const data = Buffer.alloc(3 * BLOCK_BYTES, 0xbb);
  model.change(0, data);
  await image.write(0, data, true);
  model.flushed();
  model.used(image.store.table.lastSequence);
  const layers = {
    all: [],
    create: async (fresh: NewLayer) => {
      const store = await createLayer(disk, DIRECTORY, fresh);
      return new LayerBlocks({ store, source, clock: new ManualClock(), node: 'a', members: () => [] });
    },
    drop: async () => undefined,
  };
  const base = image.store;
  const cuts = new ImageCuts({ layers, roomWait: { add: () => undefined }, log: createLog('test', 'silent') });
  await cuts.cut({ id: MIGRATION, images: [{ image: 'web', layer: TOP }] }, [image]);
  await base.close();
}

/** Takes one step; `mark` fills what it writes. */
export async function take(world: World, step: Step, mark: number, kind: Kind): Promise<void> {
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
      world.image = await openOn(world.disk, kind);
      return;
    case 'full':
      return flushWithoutRoom(world);
    case 'restart':
      return restart(world, mark % 2 === 0 ? '.data' : '.journal', kind);
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
async function restart(world: World, failing: string, kind: Kind): Promise<void> {
  const { disk, model, image } = world;
  disk.failsSync = (path) => path.includes(failing);
  const error = await failureOf(image);
  disk.failsSync = () => false;
  if (error === undefined) model.flushed();
  else assert.is(codeOf(error), 'STORE_FAILED');
  world.image = await openOn(disk, kind);
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
  const changed = model.change(offset, data);
  await image.write(offset, data, fua);
  model.used(image.store.table.lastSequence);
  if (fua) model.flushed(offset, data.length, changed);
}

async function publish({ model, image }: World): Promise<void> {
  const told = (runs: Buffer): void => model.published(runs, image);
  const telling = image.store.follow({ changes: told });
  for (let runs = telling.next(); runs !== undefined; runs = telling.next()) told(runs);
  await image.store.flush();
}

/** Waits until nothing goes on any more. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await Promise.resolve();
}

/** Takes the steps, each once the one before is all over. */
export async function runAll(world: World, steps: readonly Step[], kind: Kind): Promise<void> {
  for (const [index, step] of steps.entries()) {
    await take(world, step, index + 1, kind);
    await settle();
    world.model.used(world.image.store.table.lastSequence);
    // What is durable may be told at any time, and names its content from now on.
    const { table, durableSequence } = world.image.store;
    const isDurable = !table.hasChanges && table.lastSequence <= durableSequence;
    if (isDurable) world.model.published(runsOf(table), world.image);
  }
}

/** Checks what each loss leaves of a world whose power was cut, and answers how many there are. */
export async function verifyLosses(world: World, where: string, kind: Kind): Promise<number> {
  const losses = world.disk.losses();
  for (const loss of losses) {
    try {
      await verifyTwice(world, world.disk.afterCut(loss), kind);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${where}; ${JSON.stringify(loss)}: ${message}`, { cause: error });
    }
  }
  return losses.length;
}

/** Recovers, and recovers again after a second cut that loses what the first recovery had not synced. */
async function verifyTwice(world: World, disk: CrashDisk, kind: Kind): Promise<void> {
  const model = world.model.fork();
  await model.verify(await openOn(disk, kind));
  await model.verify(await openOn(disk.afterCut({ kind: 'lose-all' }), kind));
}
