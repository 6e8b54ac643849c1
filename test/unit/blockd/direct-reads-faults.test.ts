// What a read that goes straight from an image's file into the replies never answers: rot, what was overwritten meanwhile, what
// is there only in part, what has left, what the disk refuses.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { OperationError } from '../../../common/errors.ts';
import { block, HEADER_BYTES, read, until, withImage } from './direct-reads-stand.ts';
import { settle } from './manual-clock.ts';
import { errors, option, request } from './nbd-client.ts';

const EIO = 5;

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

test.run();
