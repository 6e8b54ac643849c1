// An image's requests and roles: what is answered at once, what waits for what.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES, SEQUENCE_MAX } from '../../../blockd/table/block-version.ts';
import { isSettled, settle } from './manual-clock.ts';
import { firstByte, reopen, slowPunching, smallImage } from './small-image.ts';

const MIGRATION = '00000000000000aa';
const block = (fill: number, blocks = 1): Buffer => Buffer.alloc(blocks * BLOCK_BYTES, fill);

test('a read of local and zero blocks is answered at once, in parts', async () => {
  const { image } = await smallImage();
  await image.write(0, block(1, 3), false);
  await image.trim(BLOCK_BYTES, BLOCK_BYTES, false);
  const into = Buffer.alloc(3 * BLOCK_BYTES);
  assert.ok(image.tryRead(100, into));
  assert.equal([into[0], into[BLOCK_BYTES], into[2 * BLOCK_BYTES], into[3 * BLOCK_BYTES - 50]], [1, 0, 1, 0]);
});

test('a frozen image queues changes and answers reads and flushes (B2)', async () => {
  const { image } = await smallImage();
  await image.write(0, block(1), false);
  const closing = await image.freeze(MIGRATION);
  const writing = image.write(0, block(2), true);
  const trimming = image.trim(0, BLOCK_BYTES, false);
  if (writing === undefined || trimming === undefined) throw new Error('a change went through');
  assert.is(await firstByte(image, 0), 1);
  assert.is(image.flush(), undefined);
  assert.not(await isSettled(writing));
  assert.equal(await image.freeze(MIGRATION), closing, 'again the same');
  assert.equal(image.closing().digest, closing.digest, 'the table stands still');
  await image.thaw();
  await Promise.all([writing, trimming]);
  assert.is.not(image.closing().digest, closing.digest);
});

test('after the release what waits fails, and the table is the closing', async () => {
  const { image, store } = await smallImage();
  const closing = await image.freeze(MIGRATION);
  const writing = image.write(0, block(2), false);
  if (writing === undefined) throw new Error('a change went through');
  assert.equal(await image.end(), closing);
  await assertCode(writing, 'EXPORT_ENDED');
  assert.is(store.state.role, 'replica');
  assert.equal(store.state.ends.at(-1), { epoch: 2, lastSequence: closing.lastSequence });
});

test('a stand-by lets everything wait until it is the writer', async () => {
  const { image } = await smallImage();
  const closing = await image.end();
  await image.standBy(3, MIGRATION, { node: 'b', address: '127.0.0.2' });
  const reading = image.readLater(0, 10);
  const writing = image.write(0, block(2), false);
  const flushing = image.flush();
  for (const waiting of [reading, writing, flushing]) assert.not(await isSettled(waiting ?? Promise.resolve()));
  await image.open(3, closing, MIGRATION);
  await Promise.all([reading, writing, flushing]);
  assert.is(await firstByte(image, 0), 2);
});

test('the last of all numbers can be used, also after a restart', async () => {
  const { image, disk, store } = await smallImage();
  await image.abandon();
  store.table.lastSequence = SEQUENCE_MAX - 2;
  await image.open(3, image.closing(), null);
  assert.is(store.takeSequence(), SEQUENCE_MAX - 1);
  const again = await reopen(disk);
  assert.is(again.takeSequence(), undefined, 'all are reserved');
  assert.is(store.takeSequence(), SEQUENCE_MAX);
  await assertCode(image.write(0, block(1), false) ?? Promise.resolve(), 'SEQUENCE_END');
});

test('a write into a hole that is being punched waits for it', async () => {
  const { disk, punch, slow } = slowPunching();
  const { image } = await smallImage([], disk);
  await image.write(0, block(1, 2), true);
  slow.now = true;
  const trimming = image.trim(0, BLOCK_BYTES, true);
  const writing = image.write(0, block(2), false);
  if (writing === undefined) throw new Error('it did not wait');
  assert.is(image.write(BLOCK_BYTES, block(3), false), undefined, 'its neighbour does not wait');
  assert.not(await isSettled(writing));
  punch.resolve();
  await Promise.all([trimming, writing]);
  assert.is(await firstByte(image, 0), 2);
});

test('while somebody follows, what is written is told within a second (A2)', async () => {
  const { image, store, clock } = await smallImage();
  const told: number[] = [];
  store.follow({ changes: (_runs, mark) => told.push(mark?.entries ?? -1) }).next();
  await settle();
  await image.write(0, block(1), false);
  assert.equal(told, [0]);
  await clock.advance(1_000);
  assert.equal(told, [0, 1]);
});

async function assertCode(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.is(error instanceof Error && 'code' in error ? error.code : undefined, code);
}

test.run();
