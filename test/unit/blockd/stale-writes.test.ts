// A change that waits is carried out by nobody once its client is gone, or the image has left: somebody may have made it anew, and
// others over it (S1, S4).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceOf } from '../../../blockd/image/image-device.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { settle } from './manual-clock.ts';
import { connected, errors, request } from './nbd-client.ts';
import { BLOCKS, firstByte, smallImage } from './small-image.ts';

const block = (fill: number): Buffer => Buffer.alloc(BLOCK_BYTES, fill);

test('a write whose client is gone does not land over a later client’s flushed one', async () => {
  const { image, source } = await smallImage([3]);
  const dead = connected(deviceOf(image), BLOCKS * BLOCK_BYTES);
  // A part of a block that is at a node which cannot be reached: it waits.
  dead.session.receive(request(1, 3 * BLOCK_BYTES, 512, 0, Buffer.alloc(512, 5)));
  await settle();
  assert.is(dead.wire.take().length, 0, 'not answered');
  dead.session.close();
  const next = connected(deviceOf(image), BLOCKS * BLOCK_BYTES);
  next.session.receive(request(1, 3 * BLOCK_BYTES, BLOCK_BYTES, 1, block(7)));
  await settle();
  assert.equal(errors(next.wire.take()), [0], 'FUA, answered');
  assert.is(await firstByte(image, 3), 7);
  source.give(9);
  await settle();
  assert.is(await firstByte(image, 3), 7);
});

test('nor in a later epoch, after the image was closed and opened again', async () => {
  const { image, source, store } = await smallImage([3]);
  const dead = connected(deviceOf(image), BLOCKS * BLOCK_BYTES);
  dead.session.receive(request(1, 3 * BLOCK_BYTES, 512, 0, Buffer.alloc(512, 5)));
  await settle();
  dead.session.close();
  const last = await image.end();
  await image.open(3, last, null);
  const next = connected(deviceOf(image), BLOCKS * BLOCK_BYTES);
  next.session.receive(request(1, 3 * BLOCK_BYTES, BLOCK_BYTES, 1, block(7)));
  await settle();
  assert.equal(errors(next.wire.take()), [0]);
  source.give(9);
  await settle();
  assert.is(store.state.epoch, 3);
  assert.is(await firstByte(image, 3), 7);
});

test('nor after the image was frozen, left, and came back', async () => {
  const { image, source } = await smallImage([3]);
  const writing = image.write(3 * BLOCK_BYTES, Buffer.alloc(512, 5), false);
  void (writing as Promise<void>).catch(() => undefined);
  await settle();
  await image.freeze('m1');
  const last = await image.end();
  await image.standBy(4, 'm2', { node: 'b', address: '127.0.0.1' });
  await image.open(4, { ...last, epoch: 3 }, 'm2');
  await image.write(3 * BLOCK_BYTES, block(7), true);
  source.give(9);
  await settle();
  assert.is(await firstByte(image, 3), 7);
});

test('zeros too: the edge of a zeroing whose client is gone', async () => {
  const { image, source } = await smallImage([3]);
  const dead = connected(deviceOf(image), BLOCKS * BLOCK_BYTES);
  dead.session.receive(request(6, 3 * BLOCK_BYTES, 512));
  await settle();
  dead.session.close();
  await image.write(3 * BLOCK_BYTES, block(7), true);
  source.give(9);
  await settle();
  assert.is(await firstByte(image, 3), 7);
});

test.run();
