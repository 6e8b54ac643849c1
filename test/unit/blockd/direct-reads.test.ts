// Reads that go from an image's file straight into the replies: in one run for each chunk of requests, in whatever order
// the disk answers, and never what the image's table does not name.
import { readSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceOf } from '../../../blockd/image/image-device.ts';
import type { NbdSession } from '../../../blockd/nbd/nbd-session.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { realDisk } from '../../../common/disk.ts';
import { OperationError } from '../../../common/errors.ts';
import { type BatchReads, NOT_AT_ONCE } from '../../../common/file-reads.ts';
import { settle } from './manual-clock.ts';
import { chunks, connected, errors, option, request, type Wire } from './nbd-client.ts';
import { type ImageStand, imageOn, LAYER } from './small-image.ts';

const HEADER_BYTES = 16;
const EIO = 5;
/** Some seconds. */
const TURNS_MAX = 1_000_000;
const block = (fill: number, blocks = 1): Buffer => Buffer.alloc(blocks * BLOCK_BYTES, fill);

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
  begin(isShared: boolean): boolean {
    this.begins++;
    this.order.push(isShared ? 'begin among others' : 'begin');
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
async function withImage(body: (direct: Direct) => Promise<void>, options: readonly Buffer[] = []): Promise<void> {
  const directory = await mkdtemp('/var/tmp/direct-reads-');
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
async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    assert.ok(turn < TURNS_MAX, 'it never came');
    await new Promise(setImmediate);
  }
}

const read = (at: number, blocks = 1): Buffer => request(0, at * BLOCK_BYTES, blocks * BLOCK_BYTES);

test('a chunk of reads is one run, and is answered in its order with what is between', () =>
  withImage(async ({ session, wire, reads, image }) => {
    const write = request(1, 8 * BLOCK_BYTES, BLOCK_BYTES, 0, block(3));
    session.receive(Buffer.concat([read(0), write, read(1, 2), read(3)]));
    assert.is(reads.runs, 1);
    const sent = wire.take();
    const sizes = [
      HEADER_BYTES + BLOCK_BYTES,
      HEADER_BYTES,
      HEADER_BYTES + 2 * BLOCK_BYTES,
      HEADER_BYTES + BLOCK_BYTES,
    ];
    let at = 0;
    for (const size of sizes) {
      assert.is(sent.readUInt32BE(at), 0x67446698);
      assert.ok(sent.subarray(at + HEADER_BYTES, at + size).equals(Buffer.alloc(size - HEADER_BYTES, 9)));
      at += size;
    }
    assert.is(sent.length, at);
    assert.is(image.counters.reads, 3);
  }));

test('what waits for the disk is closed up in the batch, and follows when it has come', () =>
  withImage(async ({ session, wire, reads, image }) => {
    for (const cold of [0, 2]) reads.cold.add(cold);
    const before = wire.writes;
    const flush = request(3, 0, 0);
    session.receive(Buffer.concat([read(0), read(1), flush, read(2), read(3)]));
    assert.is(wire.take().length, 2 * (HEADER_BYTES + BLOCK_BYTES) + HEADER_BYTES);
    await settle();
    assert.is(reads.later.length, 2);
    await reads.land();
    const sent = wire.take();
    assert.is(sent.length, 2 * (HEADER_BYTES + BLOCK_BYTES));
    assert.ok(sent.subarray(HEADER_BYTES, HEADER_BYTES + BLOCK_BYTES).equals(block(9)));
    assert.is(wire.writes, before + 2, 'what landed in one turn left in one');
    assert.is(image.counters.reads, 4, 'each counts once');
  }));

test('a client whose reads are not in the page cache is not tried there first, until one is', () =>
  withImage(async ({ session, wire, reads }) => {
    for (let cold = 0; cold < 4; cold++) reads.cold.add(cold);
    session.receive(Buffer.concat([read(0), read(1), read(2), read(3)]));
    assert.equal([reads.runs, reads.asked, reads.begins], [1, 4, 1]);
    await reads.land();
    session.receive(Buffer.concat([read(0), read(1)]));
    assert.equal([reads.runs, reads.asked, reads.begins], [1, 6, 2], 'handed over in one go');
    assert.is(session.readsDisk, true);
    assert.is(reads.order.at(-1), 'begin');
    wire.shared = true;
    session.receive(read(2));
    assert.is(reads.order.at(-1), 'begin among others');
    wire.shared = false;
    await reads.land();
    assert.is(session.readsDisk, false);
    assert.is(wire.take().length, 7 * (HEADER_BYTES + BLOCK_BYTES));
    reads.isWarm = true;
    session.receive(read(2));
    await reads.land();
    reads.cold.clear();
    session.receive(read(3));
    assert.equal([reads.runs, reads.asked], [2, 8]);
    assert.is(wire.take().length, 2 * (HEADER_BYTES + BLOCK_BYTES));
  }));

test('of large reads one is done here and a few beside it, which begin first and need no copy', () =>
  withImage(async ({ session, wire, reads, image }) => {
    reads.largeBytes = 2 * BLOCK_BYTES;
    const large = HEADER_BYTES + 2 * BLOCK_BYTES;
    session.receive(read(0, 2));
    assert.is(session.isPipelined, false);
    assert.equal([reads.runs, reads.asked], [1, 0], 'a lone one');
    session.receive(Buffer.concat([read(2), read(0, 2), read(2, 2), read(1, 2), read(3)]));
    assert.equal(reads.order.splice(0), ['run', 'begin', 'run']);
    assert.is(reads.asked, 2);
    assert.is(session.isPipelined, true);
    assert.is(wire.take().length, 2 * large + 2 * (HEADER_BYTES + BLOCK_BYTES));
    session.receive(read(3));
    assert.is(session.isPipelined, true, 'there is more to come');
    wire.take();
    await reads.land();
    assert.is(session.isPipelined, false);
    const sent = wire.take();
    assert.is(sent.length, 2 * large);
    for (const at of [0, large]) {
      assert.is(sent.readUInt32BE(at), 0x67446698);
      assert.ok(sent.subarray(at + HEADER_BYTES, at + large).equals(block(9, 2)));
    }
    session.receive(Buffer.concat(Array.from({ length: 8 }, () => read(0, 2))));
    assert.is(reads.asked, 2 + 4);
    await reads.land();
    assert.is(wire.take().length, 8 * large);
    assert.is(image.counters.reads, 1 + 5 + 1 + 8);
  }));

test('a large read beside another is answered with what was written meanwhile, and never with rot', () =>
  withImage(
    async ({ session, wire, reads, rot, source }) => {
      reads.largeBytes = 2 * BLOCK_BYTES;
      const structured = 28 + 2 * BLOCK_BYTES;
      await rot(3);
      session.receive(Buffer.concat([read(0, 2), read(0, 2), read(2, 2)]));
      session.receive(request(1, BLOCK_BYTES, BLOCK_BYTES, 0, block(7)));
      wire.take();
      await reads.land();
      await until(() => source.asked.length === 1 && wire.sentBytes >= structured);
      const written = wire.take();
      assert.is(written.length, structured);
      assert.ok(written.subarray(28).equals(Buffer.concat([block(9), block(7)])));
      source.give(9);
      await until(() => wire.sentBytes > 0);
      assert.ok(wire.take().subarray(28).equals(block(9, 2)));
    },
    [option(8)],
  ));

test('in chunks a direct read is one chunk of data; holes and their neighbours take the other way', () =>
  withImage(
    async ({ session, wire, reads }) => {
      session.receive(Buffer.concat([read(2), read(3, 2)]));
      assert.equal(
        chunks(wire.take()).map(({ type, done }) => [type, done]),
        [
          [1, true],
          [1, false],
          [2, true],
        ],
      );
      assert.is(reads.runs, 1);
    },
    [option(8)],
  ));

test('what was written while the disk read is what is answered', () =>
  withImage(async ({ session, wire, reads, store }) => {
    reads.cold.add(1);
    session.receive(read(1));
    await settle();
    session.receive(request(1, BLOCK_BYTES, BLOCK_BYTES, 0, block(7)));
    wire.take();
    await reads.land();
    await until(() => wire.sentBytes > 0);
    assert.ok(wire.take().subarray(HEADER_BYTES).equals(block(7)));
    assert.is(store.file.spoiltBlocks, 0);
  }));

test('rot is never answered: it is found, fetched from another holder, and healed', () =>
  withImage(async ({ session, wire, reads, rot, store, source }) => {
    await rot(2);
    reads.cold.add(1);
    await rot(1);
    session.receive(Buffer.concat([read(1), read(2), read(3)]));
    assert.is(wire.take().length, HEADER_BYTES + BLOCK_BYTES, 'the sound one');
    await settle();
    await reads.land();
    await until(() => source.asked.length === 2);
    assert.is(wire.take().length, 0);
    assert.is(store.file.spoiltBlocks, 2);
    for (let count = 0; count < 2; count++) source.give(9);
    await settle();
    const sent = wire.take();
    assert.is(sent.length, 2 * (HEADER_BYTES + BLOCK_BYTES));
    assert.ok(sent.subarray(HEADER_BYTES, HEADER_BYTES + BLOCK_BYTES).equals(block(9)));
  }));

test('rot behind a sound block is never answered either', () =>
  withImage(async ({ session, wire, reads, rot, source }) => {
    await rot(1);
    session.receive(read(0, 3));
    await until(() => source.asked.length === 1);
    assert.is(wire.take().length, 0);
    source.give(9);
    await settle();
    assert.ok(wire.take().subarray(HEADER_BYTES).equals(block(9, 3)));
    assert.is(reads.runs, 1);
  }));

test('of what is there only in part nothing is answered before the rest has come', () =>
  withImage(async ({ session, wire, reads, image }) => {
    await image.write(BLOCK_BYTES, block(5), true);
    session.receive(read(2, 2));
    assert.ok(wire.take().subarray(HEADER_BYTES).equals(block(9, 2)), 'what the room of the next one had before');
    reads.cold.add(1);
    session.receive(read(0, 2));
    await settle();
    assert.is(wire.take().length, 0);
    assert.is(reads.later.length, 1);
    // The disk gives a part of it too; then it is read as any other.
    const readLater = reads.readLater.bind(reads);
    await reads.land();
    assert.ok(
      wire
        .take()
        .subarray(HEADER_BYTES)
        .equals(Buffer.concat([block(9), block(5)])),
    );
    for (const cold of [2, 3]) reads.cold.add(cold);
    session.receive(read(2, 2));
    await settle();
    await reads.land();
    assert.ok(wire.take().subarray(HEADER_BYTES).equals(block(9, 2)));
    reads.readLater = (fd, offset, into, done) => readLater(fd, offset, into.subarray(0, BLOCK_BYTES), done);
    session.receive(read(0, 2));
    await settle();
    await reads.land();
    await until(() => wire.sentBytes > 0);
    assert.ok(
      wire
        .take()
        .subarray(HEADER_BYTES)
        .equals(Buffer.concat([block(9), block(5)])),
    );
  }));

test('a block that was let go of is fetched, before the disk is asked and after', () =>
  withImage(async ({ session, wire, reads, store, source }) => {
    const letGo = async (at: number): Promise<void> => {
      const { high, low } = store.table.nextHeld(at, at + 1, 1) ?? { high: 0, low: 0 };
      const range = { first: at, end: at + 1 };
      await store.copies.leaving(range, 'a', () => store.copies.letGo([{ first: at, count: 1, high, low }], 'b'));
    };
    await letGo(1);
    reads.cold.add(2);
    session.receive(Buffer.concat([read(1), read(2)]));
    await settle();
    assert.is(reads.later.length, 1);
    await letGo(2);
    await reads.land();
    await until(() => source.asked.length === 2);
    assert.is(wire.take().length, 0);
    for (let count = 0; count < 2; count++) source.give(9);
    await settle();
    assert.is(wire.take().length, 2 * (HEADER_BYTES + BLOCK_BYTES));
  }));

test('a store that has failed answers no read', () =>
  withImage(async ({ session, wire, store }) => {
    Object.defineProperty(store, 'failure', { get: () => new OperationError('STORE_FAILED', 'the disk failed') });
    session.receive(read(0));
    await settle();
    assert.equal(errors(wire.take()), [EIO]);
  }));

test('a disk that fails is the error of that read alone', () =>
  withImage(async ({ session, wire, reads, image }) => {
    reads.readLater = (_fd, _offset, _into, done) => void reads.later.push(() => done(-EIO));
    reads.cold.add(0);
    const asked = image.makeReadable.bind(image);
    image.makeReadable = async () => {
      throw Object.assign(new Error('EIO'), { code: 'EIO' });
    };
    session.receive(Buffer.concat([read(0), read(1)]));
    wire.take();
    await settle();
    await reads.land();
    image.makeReadable = asked;
    assert.equal(errors(wire.take()), [EIO]);
  }));

test('an image that ends while the disk reads, and a client that goes, get nothing of it', () =>
  withImage(async ({ session, wire, reads, image }) => {
    reads.cold.add(0);
    session.receive(read(0));
    await settle();
    await image.end();
    await reads.land();
    assert.equal(errors(wire.take()), [108]);
    session.close();
    assert.is(wire.take().length, 0);
  }));

test.run();
