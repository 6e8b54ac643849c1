// A small image on a disk in memory with a source of blocks that the test answers. Not a test itself.

import { Image } from '../../../blockd/image/image.ts';
import type { BlockSource, FetchSink, WantedRun } from '../../../blockd/layers/block-fetcher.ts';
import { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { createLayer, openLayer } from '../../../blockd/store/image-files.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import type { Disk } from '../../../common/disk/disk.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { learn } from './learnt.ts';
import { ManualClock } from './manual-clock.ts';

export const BLOCKS = 16;
/** The top layer of the small image. */
export const LAYER = 'l00000000000000aa';

/** A request that the test has not answered yet. */
export interface Asked {
  readonly node: string;
  readonly runs: readonly WantedRun[];
  readonly sink: FetchSink;
}

/** Keeps what is asked for the test to answer. */
export class FakeSource implements BlockSource {
  readonly asked: Asked[] = [];
  /** Those that nobody waits for any more, unanswered. */
  readonly ended: Asked[] = [];

  request(node: string, _layer: string, runs: readonly WantedRun[], _cause: string, sink: FetchSink): () => void {
    const asked = { node, runs, sink };
    this.asked.push(asked);
    return () => {
      const at = this.asked.indexOf(asked);
      if (at >= 0) this.ended.push(...this.asked.splice(at, 1));
    };
  }

  /** Answers the oldest request with blocks full of one byte. */
  give(fill: number): void {
    const asked = this.asked.shift();
    for (const run of asked?.runs ?? []) asked?.sink.arrived(run, Buffer.alloc(run.count * BLOCK_BYTES, fill));
  }

  /** Says that the oldest request's blocks are not there. */
  deny(hint = ''): void {
    const asked = this.asked.shift();
    for (const run of asked?.runs ?? []) asked?.sink.absent(run, hint);
  }
}

/** An image and the parts around it that a test turns. */
export interface ImageStand {
  readonly image: Image;
  readonly store: ImageStore;
  readonly source: FakeSource;
  readonly clock: ManualClock;
}

export interface SmallImage extends ImageStand {
  readonly disk: CrashDisk;
}

/** An image at node `a` of members a, b and c; open for writing, with the given blocks at node b. */
export async function smallImage(atB: readonly number[] = [], disk: CrashDisk = new CrashDisk()): Promise<SmallImage> {
  return { ...(await imageOn(disk, '/images', atB)), disk };
}

/** The same on any disk, in a directory that is there. */
export async function imageOn(disk: Disk, directory: string, atB: readonly number[] = []): Promise<ImageStand> {
  const store = await createLayer(disk, directory, {
    image: 'web',
    layer: LAYER,
    bytes: BLOCKS * BLOCK_BYTES,
    isOrigin: true,
  });
  const source = new FakeSource();
  const clock = new ManualClock();
  const top = new LayerBlocks({ store, source, clock, node: 'a', members: () => ['a', 'b', 'c'] });
  const image = new Image({ top, clock });
  for (const block of atB) learn(store.table, block, [256, 1], store.holderIndex('b'));
  await image.open(2, { ...image.closing(), epoch: 1 }, null);
  return { image, store, source, clock };
}

/** A stand-by's store, which has heard of nothing yet. */
export function standbyStore(disk = new CrashDisk()): Promise<ImageStore> {
  const fresh = { image: 'web', layer: LAYER, bytes: BLOCKS * BLOCK_BYTES, isOrigin: false };
  return createLayer(disk, '/images', fresh);
}

/** The image's store on a disk that has it, opened as a daemon does at its start. */
export async function reopen(disk: CrashDisk, checkpointBytes = Number.MAX_SAFE_INTEGER): Promise<ImageStore> {
  const store = await openLayer(disk, '/images', LAYER, { checkpointBytes });
  if (store === undefined) throw new Error('the image is gone');
  return store;
}

/** The image of a store that fetches nothing. */
export function imageOf(store: ImageStore): Image {
  const clock = new ManualClock();
  return new Image({
    top: new LayerBlocks({ store, source: new FakeSource(), clock, node: 'a', members: () => ['a'] }),
    clock,
  });
}

/** The first byte of a block as a client reads it. */
export async function firstByte(image: Image, block: number): Promise<number> {
  return (await image.readLater(block * BLOCK_BYTES, 1))[0] ?? -1;
}

/** A disk on which room is given back only when the test says so. */
export function slowPunching(): { disk: CrashDisk; punch: PromiseWithResolvers<void>; slow: { now: boolean } } {
  const disk = new CrashDisk();
  const open = disk.open.bind(disk);
  const punch = Promise.withResolvers<void>();
  const slow = { now: false };
  disk.open = async (path, mode) => {
    const file = await open(path, mode);
    const slowly = async (offset: number, bytes: number): Promise<void> => {
      if (slow.now) await punch.promise;
      await file.punch(offset, bytes);
    };
    return { ...file, punch: slowly };
  };
  return { disk, punch, slow };
}
