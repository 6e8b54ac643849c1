// A small image on a disk in memory with a source of blocks that the test answers. Not a test itself.

import type { BlockSource, FetchSink, WantedRun } from '../../../blockd/image/block-fetcher.ts';
import { Image } from '../../../blockd/image/image.ts';
import { createImage, openImage } from '../../../blockd/store/image-files.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { learn } from './learnt.ts';
import { ManualClock } from './manual-clock.ts';

export const BLOCKS = 16;

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

  request(node: string, _image: string, runs: readonly WantedRun[], _cause: string, sink: FetchSink): () => void {
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

export interface SmallImage {
  readonly image: Image;
  readonly store: ImageStore;
  readonly source: FakeSource;
  readonly clock: ManualClock;
  readonly disk: CrashDisk;
}

/** An image at node `a` of members a, b and c; open for writing, with the given blocks at node b. */
export async function smallImage(atB: readonly number[] = [], disk: CrashDisk = new CrashDisk()): Promise<SmallImage> {
  const store = await createImage(disk, '/images', { image: 'web', bytes: BLOCKS * BLOCK_BYTES, isOrigin: true });
  const source = new FakeSource();
  const clock = new ManualClock();
  const image = new Image({ store, source, clock, node: 'a', members: () => ['a', 'b', 'c'] });
  for (const block of atB) learn(store.table, block, [256, 1], store.holderIndex('b'));
  await image.open(2, { ...image.closing(), epoch: 1 }, null);
  return { image, store, source, clock, disk };
}

/** The image's store on a disk that has it, opened as a daemon does at its start. */
export async function reopen(disk: CrashDisk, checkpointBytes = Number.MAX_SAFE_INTEGER): Promise<ImageStore> {
  const store = await openImage(disk, '/images', 'web', { checkpointBytes, dropCached: disk.dropCached });
  if (store === undefined) throw new Error('the image is gone');
  return store;
}

/** The image of a store that fetches nothing. */
export function imageOf(store: ImageStore): Image {
  return new Image({ store, source: new FakeSource(), clock: new ManualClock(), node: 'a', members: () => ['a'] });
}

/** The first byte of a block as a client reads it. */
export async function firstByte(image: Image, block: number): Promise<number> {
  return (await image.readLater(block * BLOCK_BYTES, 1))[0] ?? -1;
}
