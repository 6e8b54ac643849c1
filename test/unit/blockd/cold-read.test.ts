// Reads of what the page cache does not have: they wait for the disk beside everything else, each for itself, and whatever
// happens meanwhile decides what is answered.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceOf } from '../../../blockd/image/image-device.ts';
import type { NbdSession } from '../../../blockd/nbd/nbd-session.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { settle } from './manual-clock.ts';
import { chunks, connected, errors, option, request, type Wire } from './nbd-client.ts';
import { LAYER, type SmallImage, smallImage } from './small-image.ts';

const DATA_FILE = `/images/${LAYER}.data`;
const HEADER_BYTES = 16;
const block = (fill: number, blocks = 1): Buffer => Buffer.alloc(blocks * BLOCK_BYTES, fill);

interface Cold extends SmallImage {
  readonly session: NbdSession;
  readonly wire: Wire;
  /** What the disk was asked for and has not done. */
  readonly asked: PromiseWithResolvers<void>[];
  /** The disk has read it all. */
  warm(): Promise<void>;
}

/** An image with a client, of whose first four blocks nothing is in the page cache. */
async function coldImage(options: readonly Buffer[] = []): Promise<Cold> {
  const small = await smallImage();
  await small.image.write(0, block(9, 4), true);
  const asked: PromiseWithResolvers<void>[] = [];
  let isCold = true;
  small.disk.forgets = (path) => isCold && path === DATA_FILE;
  small.disk.warming = () => {
    const read = Promise.withResolvers<void>();
    asked.push(read);
    return read.promise;
  };
  const warm = async (): Promise<void> => {
    isCold = false;
    for (const read of asked.splice(0)) read.resolve();
    await settle();
  };
  return { ...small, ...connected(deviceOf(small.image), small.store.bytes, options), asked, warm };
}

/** What the client gets for a read of one block. */
function answer(wire: Wire): Buffer {
  const sent = wire.take();
  assert.is(sent.readUInt32BE(4), 0);
  return sent.subarray(HEADER_BYTES);
}

test('a cold read holds up nothing, and several wait for the disk at once', async () => {
  const { session, wire, asked, image, warm } = await coldImage();
  for (let number = 0; number < 4; number++) session.receive(request(0, number * BLOCK_BYTES, BLOCK_BYTES));
  await settle();
  assert.is(asked.length, 4);
  assert.is(wire.take().length, 0);
  session.receive(request(1, 8 * BLOCK_BYTES, BLOCK_BYTES, 0, block(3)));
  session.receive(request(0, 10 * BLOCK_BYTES, BLOCK_BYTES));
  assert.is(wire.take().length, HEADER_BYTES + HEADER_BYTES + BLOCK_BYTES, 'what needs no disk is answered');
  await warm();
  assert.is(wire.take().length, 4 * (HEADER_BYTES + BLOCK_BYTES));
  assert.is(image.counters.reads, 5, 'each counts once');
});

test('what is written while the disk reads is what is answered, and nothing is taken for rot', async () => {
  const { session, wire, store, source, warm } = await coldImage();
  session.receive(request(0, BLOCK_BYTES, 2 * BLOCK_BYTES));
  await settle();
  session.receive(request(1, 2 * BLOCK_BYTES, BLOCK_BYTES, 0, block(7)));
  session.receive(request(6, BLOCK_BYTES, BLOCK_BYTES));
  await settle();
  wire.take();
  await warm();
  assert.equal(answer(wire), Buffer.concat([block(0), block(7)]));
  assert.is(store.file.spoiltBlocks, 0);
  assert.is(source.asked.length, 0);
});

test('a disk that fails is the error of that read alone', async () => {
  const { session, wire, asked, warm } = await coldImage();
  session.receive(Buffer.concat([request(0, 0, BLOCK_BYTES), request(0, BLOCK_BYTES, BLOCK_BYTES)]));
  await settle();
  asked.shift()?.reject(Object.assign(new Error('ENXIO'), { code: 'ENXIO' }));
  await settle();
  assert.equal(errors(wire.take()), [5]);
  await warm();
  assert.equal(answer(wire), block(9));
});

test('in chunks a cold read waits as well', async () => {
  const { session, wire, asked, warm } = await coldImage([option(8)]);
  session.receive(request(0, 3 * BLOCK_BYTES, 2 * BLOCK_BYTES));
  await settle();
  assert.is(asked.length, 1);
  assert.is(wire.take().length, 0);
  await warm();
  assert.equal(
    chunks(wire.take()).map(({ type, done }) => [type, done]),
    [
      [1, false],
      [2, true],
    ],
  );
});

test('a client that has gone gets nothing, and nobody minds', async () => {
  const { session, wire, image, warm } = await coldImage();
  session.receive(request(0, 0, BLOCK_BYTES));
  await settle();
  session.close();
  await warm();
  assert.is(wire.take().length, 0);
  assert.equal(Buffer.from(await image.readLater(0, BLOCK_BYTES)), block(9));
});

test('an image that ends while the disk reads answers that it has ended', async () => {
  const { session, wire, image, warm } = await coldImage();
  session.receive(request(0, 0, BLOCK_BYTES));
  await settle();
  await image.end();
  await warm();
  assert.equal(errors(wire.take()), [108]);
});

test('rot shows when the disk has been read, and is healed', async () => {
  const { session, wire, disk, source, warm, store } = await coldImage();
  const file = await disk.open(DATA_FILE, 'write');
  await file.write(Buffer.from([1]), 2 * BLOCK_BYTES + 100);
  session.receive(request(0, 2 * BLOCK_BYTES, BLOCK_BYTES));
  await settle();
  await warm();
  assert.is(wire.take().length, 0);
  assert.is(store.file.spoiltBlocks, 1);
  source.give(9);
  await settle();
  assert.equal(answer(wire), block(9));
});

test('a page cache too small for what is read does not keep a client waiting for ever', async () => {
  const { session, wire, image, disk } = await coldImage();
  disk.warming = async () => undefined;
  session.receive(request(0, 0, BLOCK_BYTES));
  await settle();
  assert.equal(answer(wire), block(9));
  assert.equal(Buffer.from(await image.readLater(0, BLOCK_BYTES)), block(9));
});

test.run();
