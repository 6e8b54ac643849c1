// The buffers of replies: used again once they were sent, and never before.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ReplyBatch } from '../../../blockd/nbd/reply-batch.ts';

const MIB = 2 ** 20;

/** A batch whose connection is told by the test when it has sent. */
function held(): { batch: ReplyBatch; sent: (() => void)[] } {
  const sent: (() => void)[] = [];
  return { batch: new ReplyBatch((_bytes, done) => void sent.push(done)), sent };
}

/** Takes a reply, sends it, and answers whose memory it lies in. */
function reply(batch: ReplyBatch, bytes: number): ArrayBufferLike {
  batch.take(bytes);
  const { buffer } = batch.bytes;
  batch.flush();
  return buffer;
}

test('small replies and large ones have their own buffers, each used again once it was sent', () => {
  for (const bytes of [16, 200_000, MIB + 28, 2 * MIB + 28]) {
    const { batch, sent } = held();
    const first = reply(batch, bytes);
    const second = reply(batch, bytes);
    assert.is.not(second, first, 'the first is still on its way');
    sent.shift()?.();
    assert.is(reply(batch, bytes), first);
  }
});

test('a small reply does not take the room of a large one, and the largest are not kept', () => {
  const { batch, sent } = held();
  const large = reply(batch, MIB);
  const largest = reply(batch, 3 * MIB);
  for (const done of sent.splice(0)) done();
  assert.is.not(reply(batch, 16), large);
  assert.is.not(reply(batch, 3 * MIB), largest);
  assert.is(reply(batch, MIB), large);
});

test('as many as are on their way at a time are all used again, beside those of small replies', () => {
  const { batch, sent } = held();
  const round = (): ArrayBufferLike[] => [16, ...Array<number>(6).fill(MIB)].map((bytes) => reply(batch, bytes));
  const used = new Set(round());
  for (const done of sent.splice(0)) done();
  assert.equal(new Set(round()), used);
});

test('few are kept of a connection that was slow', () => {
  const { batch, sent } = held();
  const used = new Set(Array.from({ length: 20 }, () => reply(batch, 2 * MIB)));
  for (const done of sent.splice(0)) done();
  const again = Array.from({ length: 20 }, () => reply(batch, 2 * MIB)).filter((buffer) => used.has(buffer));
  assert.is(again.length, 4);
});

test.run();
