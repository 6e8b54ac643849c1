// An image on a real disk with a client whose reads go from its file straight into the replies, and what the disk says to
// them left to the test. Not a test itself.
import { readSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { deviceOf } from '../../../blockd/image/image-device.ts';
import type { NbdSession } from '../../../blockd/nbd/nbd-session.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { realDisk } from '../../../common/disk/disk.ts';
import { type BatchReads, NOT_AT_ONCE } from '../../../common/disk/file-reads.ts';
import type { Others } from '../../../common/disk/later-reads.ts';
import { onDisk } from '../../scratch.ts';
import { settle } from './manual-clock.ts';
import { connected, request, type Wire } from './nbd-client.ts';
import { type ImageStand, imageOn, LAYER } from './small-image.ts';

/** Of a simple reply. */
export const HEADER_BYTES = 16;
/** A disk answers within some ms; who never does costs this much of every planted bug that shows so. */
const LIMIT_MS = 10_000;
export const block = (fill: number, blocks = 1): Buffer => Buffer.alloc(blocks * BLOCK_BYTES, fill);

/** Reads with the disk's word left to the test. */
class ScriptedReads implements BatchReads {
  hasRoom = true;
  largeBytes = Number.POSITIVE_INFINITY;
  /** Blocks that are not in the page cache. */
  readonly cold = new Set<number>();
  readonly later: (() => void)[] = [];
  runs = 0;
  asked = 0;
  begins = 0;
  readonly order: string[] = [];
  /** Something of what is asked for later turns out to be in the page cache. */
  isWarm = false;
  #added: (() => number)[] = [];
  #outcomes: number[] = [];

  add(fd: number, offset: number, into: Uint8Array, at: number, bytes: number): number {
    const [first, end] = [offset / BLOCK_BYTES, (offset + bytes) / BLOCK_BYTES];
    let cached = first;
    while (cached < end && !this.cold.has(cached)) cached++;
    const had = (cached - first) * BLOCK_BYTES;
    return this.#added.push(() => (had === 0 ? NOT_AT_ONCE : readSync(fd, into, at, had, offset))) - 1;
  }

  run(): void {
    this.runs++;
    this.order.push('run');
    this.#outcomes = this.#added.splice(0).map((read) => read());
  }

  outcome(place: number): number {
    return this.#outcomes[place] ?? NOT_AT_ONCE;
  }

  /** The disk has it as it is now, and tells when it lands. */
  readLater(fd: number, offset: number, into: Uint8Array, done: (outcome: number) => void): void {
    const outcome = readSync(fd, into, 0, into.length, offset);
    this.later.push(() => done(outcome));
    this.asked++;
  }

  /** What the page cache has is read at once, and told when it lands. */
  begin(others: Others): boolean {
    this.begins++;
    this.order.push(others === 'none' ? 'begin' : `begin beside ${others}`);
    return this.isWarm;
  }

  /** The disk has read what it was asked for. */
  async land(): Promise<void> {
    for (const tell of this.later.splice(0)) tell();
    await settle();
  }
}

interface Direct extends ImageStand {
  readonly session: NbdSession;
  readonly wire: Wire;
  readonly reads: ScriptedReads;
  /** Changes a byte of the data file behind everyone's back. */
  rot(block: number): Promise<void>;
}

/** An image on a real disk with a client; its first four blocks are full of 9. */
export async function withImage(
  body: (direct: Direct) => Promise<void>,
  options: readonly Buffer[] = [],
): Promise<void> {
  const directory = await mkdtemp(join(onDisk(), 'direct-reads-'));
  try {
    const small = await imageOn(realDisk, directory);
    await small.image.write(0, block(9, 4), true);
    const reads = new ScriptedReads();
    const client = connected(deviceOf(small.image), small.store.bytes, options, {}, reads);
    const rot = async (at: number): Promise<void> => {
      const file = await open(join(directory, `${LAYER}.data`), 'r+');
      await file.write(Buffer.from([1]), 0, 1, at * BLOCK_BYTES + 100);
      await file.close();
    };
    await body({ ...small, ...client, reads, rot });
    await small.store.close();
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The real disk answers in turns of its own. */
export async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!isSo()) {
    assert.ok(performance.now() < endMs, 'it never came');
    await new Promise(setImmediate);
  }
}

export const read = (at: number, blocks = 1): Buffer => request(0, at * BLOCK_BYTES, blocks * BLOCK_BYTES);
