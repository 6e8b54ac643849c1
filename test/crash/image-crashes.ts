// Steps on an image of four blocks, a crash before each disk step of the last one, each loss of what was unsynced, and what
// must hold after the recovery. Not a test itself.
import * as assert from 'uvu/assert';
import { Image } from '../../blockd/image/image.ts';
import { ImageCuts } from '../../blockd/image/image-cuts.ts';
import { LayerBlocks } from '../../blockd/image/layer-blocks.ts';
import { createLayer, type NewLayer, openLayer } from '../../blockd/store/image-files.ts';
import type { ImageStore } from '../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { realClock } from '../../common/clock.ts';
import { codeOf } from '../../common/errors.ts';
import { createLog } from '../../common/log.ts';
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
const SETTLE_TURNS = 60;

/** How the image is kept. */
export interface Kind {
  /** A journal longer than this is replaced by a checkpoint. */
  readonly checkpointBytes?: number;
  /** Its content at the start lies in a layer below; the steps are taken on an empty top. */
  readonly isLayered?: boolean;
}

/** An image on a disk, with the model of what it must be. */
interface World {
  readonly disk: CrashDisk;
  readonly model: ImageModel;
  image: Image;
}

const source = {
  request(): never {
    throw new Error('nothing is fetched here');
  },
};

function imageOf(stores: readonly ImageStore[]): Image {
  const layers = stores.map(
    (store) => new LayerBlocks({ store, source, clock: realClock, node: 'a', members: () => [] }),
  );
  const [top, ...below] = layers;
  if (top === undefined) throw new Error('an image has a layer');
  return new Image({ top, below, clock: realClock });
}

async function openOn(disk: CrashDisk, { checkpointBytes, isLayered = false }: Kind): Promise<Image> {
  const { dropCached } = disk;
  const options = checkpointBytes === undefined ? { dropCached } : { dropCached, checkpointBytes };
  const stores: ImageStore[] = [];
  for (const layer of isLayered ? [TOP, LAYER] : [LAYER]) {
    const store = await openLayer(disk, DIRECTORY, layer, options);
    if (store === undefined) throw new Error('a layer is gone');
    stores.push(store);
  }
  return imageOf(stores);
}

async function makeWorld(kind: Kind): Promise<World> {
  const disk = new CrashDisk();
  const model = new ImageModel(BYTES);
  const store = await createLayer(disk, DIRECTORY, { image: 'web', layer: LAYER, bytes: BYTES, isOrigin: true });
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
      return new LayerBlocks({ store, source, clock: realClock, node: 'a', members: () => [] });
    },
    drop: async () => undefined,
  };
  const base = image.store;
  const cuts = new ImageCuts({ layers, log: createLog('test', 'silent') });
  await cuts.cut({ id: MIGRATION, images: [{ image: 'web', layer: TOP }] }, [image]);
  await base.close();
}

async function take(world: World, step: Step, mark: number, kind: Kind): Promise<void> {
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

async function runAll(world: World, steps: readonly Step[], kind: Kind): Promise<void> {
  for (const [index, step] of steps.entries()) {
    await take(world, step, index + 1, kind);
    await settle();
    world.model.used(world.image.store.table.lastSequence);
    // What is durable may be told at any time, and names its content from now on.
    const { table } = world.image.store;
    if (!table.hasChanges) world.model.published(table.runs(), world.image);
  }
}

/** Runs the steps up to a power cut after so many disk steps of the last one; answers whether it came so far. */
async function runToCut(steps: readonly Step[], cutAfter: number, kind: Kind): Promise<World | undefined> {
  const world = await makeWorld(kind);
  await runAll(world, steps.slice(0, -1), kind);
  const before = world.disk.steps;
  world.disk.cutAfter(cutAfter);
  const last = steps.at(-1);
  const ran = last === undefined ? Promise.resolve() : take(world, last, steps.length, kind);
  await Promise.race([ran.catch(() => undefined), world.disk.cut]);
  await settle();
  world.model.used(world.image.store.table.lastSequence);
  return world.disk.steps - before < cutAfter ? undefined : world;
}

/** Cuts the power before each disk step of the last step, and after it; earlier ones are other sequences' last. */
export async function enumerate(steps: readonly Step[], kind: Kind): Promise<number> {
  let checked = 0;
  for (let cutAfter = 0; ; cutAfter++) {
    const world = await runToCut(steps, cutAfter, kind);
    if (world === undefined) return checked;
    for (const loss of world.disk.losses()) {
      try {
        await verifyTwice(world, world.disk.afterCut(loss), kind);
      } catch (error) {
        const where = `${steps.join(', ')}; power cut after ${cutAfter} disk steps of the last; ${JSON.stringify(loss)}`;
        throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
      checked++;
    }
  }
}

/** Recovers, and recovers again after a second cut that loses what the first recovery had not synced. */
async function verifyTwice(world: World, disk: CrashDisk, kind: Kind): Promise<void> {
  const model = world.model.fork();
  await model.verify(await openOn(disk, kind));
  await model.verify(await openOn(disk.afterCut({ kind: 'lose-all' }), kind));
}

export function sequences(length: number): Step[][] {
  if (length === 0) return [[]];
  return sequences(length - 1).flatMap((steps) => STEPS.map((step) => [...steps, step]));
}
