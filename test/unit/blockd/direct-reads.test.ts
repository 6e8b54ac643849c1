// Reads that go from an image's file straight into the replies: in one run for each chunk of requests, in whatever order
// the disk answers (`direct-reads-faults` has what they never answer).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { block, HEADER_BYTES, read, withImage } from './direct-reads-stand.ts';
import { settle } from './manual-clock.ts';
import { chunks, option, request } from './nbd-client.ts';

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
    wire.beside = 'quick';
    session.receive(read(2));
    assert.is(reads.order.at(-1), 'begin beside quick');
    wire.beside = 'none';
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

test.run();
