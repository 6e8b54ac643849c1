// What a client learns of a real image's bytes: from its table, and in the replies of two clients of one export.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deviceOf } from '../../../blockd/image/image-device.ts';
import type { NbdDevice, StatusKind } from '../../../blockd/nbd/nbd-device.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { settle } from './manual-clock.ts';
import { chunks, connected, errors, option, request } from './nbd-client.ts';
import { BLOCKS, imageOf, reopen, smallImage } from './small-image.ts';

const END = BLOCKS * BLOCK_BYTES;

/** Blocks and their status, as runs. */
function runs(device: NbdDevice, kind: StatusKind): [blocks: number, status: number][] {
  const list: [number, number][] = [];
  for (let at = 0; at < END; ) {
    const next = device.endOfStatus(kind, at, END);
    list.push([(next - at) / BLOCK_BYTES, device.statusOf(kind, at)]);
    at = next;
  }
  return list;
}

test('allocation: what is elsewhere is data, what was never written or was zeroed is a hole of zeros', async () => {
  const { image } = await smallImage([4, 5]);
  const device = deviceOf(image);
  await image.write(0, Buffer.alloc(2 * BLOCK_BYTES, 7), false);
  await image.zero(BLOCK_BYTES, BLOCK_BYTES, false);
  assert.equal(runs(device, 'allocation'), [
    [1, 0],
    [3, 3],
    [2, 0],
    [10, 3],
  ]);
});

test('version: here, away and zero, each with the epoch that wrote it', async () => {
  const { image } = await smallImage([4, 5]);
  const device = deviceOf(image);
  await image.write(0, Buffer.alloc(2 * BLOCK_BYTES, 7), false);
  await image.zero(BLOCK_BYTES, BLOCK_BYTES, false);
  assert.equal(runs(device, 'version'), [
    [1, 0x0200],
    [1, 0x0202],
    [2, 2],
    [2, 0x0101],
    [10, 2],
  ]);
});

test('an answer ends where the request does, also in the middle of a block', async () => {
  const { image } = await smallImage();
  assert.is(deviceOf(image).endOfStatus('allocation', 100, 5000), 5000);
});

test('a read across zeros and blocks that are elsewhere waits for these, then comes in chunks', async () => {
  const { image, source } = await smallImage([1]);
  const { session, wire } = connected(deviceOf(image), END, [option(8)]);
  session.receive(request(0, 0, 2 * BLOCK_BYTES));
  assert.is(wire.take().length, 0);
  source.give(9);
  await settle();
  assert.equal(chunks(wire.take()), [
    { done: false, type: 2, payload: '000000000000000000001000' },
    { done: true, type: 1, payload: `0000000000001000${'09'.repeat(BLOCK_BYTES)}` },
  ]);
});

test('a flush of one client makes durable what was answered to another (CAN_MULTI_CONN)', async () => {
  const { image, disk } = await smallImage();
  const first = connected(deviceOf(image), END);
  const second = connected(deviceOf(image), END);
  first.session.receive(request(1, 0, 5, 0, Buffer.from('flush')));
  await settle();
  assert.equal(errors(first.wire.take()), [0]);
  second.session.receive(request(3, 0, 0));
  await settle();
  assert.equal(errors(second.wire.take()), [0]);
  const after = imageOf(await reopen(disk.afterCut({ kind: 'lose-all' })));
  assert.is(Buffer.from(await after.readLater(0, 5)).toString(), 'flush');
});

test.run();
