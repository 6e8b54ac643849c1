// A lane whose peer is silent is made anew, however much it is asked meanwhile. What crosses one lane is counted with each frame, and what was left of one that never became whole, when its stream ends.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FetchSink } from '../../../blockd/layers/block-fetcher.ts';
import { FetchLane } from '../../../blockd/peer/fetch-lane.ts';
import { encodePeerFrame } from '../../../blockd/peer/peer-frame.ts';
import type { StreamEvents } from '../../../blockd/peer/peer-stream.ts';
import { Traffic } from '../../../blockd/peer/traffic.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { ManualClock, settle } from './manual-clock.ts';

const RUN = { first: 3, count: 2, high: 256, low: 1 };
const ANSWER = answerOf(1);

function answerOf(id: number): Buffer {
  return encodePeerFrame({ type: 'blocks', id, runs: [RUN], data: Buffer.alloc(2 * BLOCK_BYTES, 7) });
}

/** A lane over a stream whose other end the test is. */
async function opened() {
  const traffic = new Traffic();
  const streams: StreamEvents[] = [];
  const clock = new ManualClock();
  const lane = new FetchLane({
    ...{ node: 'b', layer: 'l00000000000000aa', cause: 'demand', clock },
    dial: async (_node, _layer, events) => {
      streams.push(events);
      return { write: () => true, close: () => undefined };
    },
    traffic: () => traffic,
    waiting: () => undefined,
    resumed: () => undefined,
  });
  const arrived: number[] = [];
  const sink: FetchSink = {
    arrived: ({ first, count }) => void arrived.push(first, count),
    absent: () => undefined,
  };
  lane.request([RUN], sink);
  await settle();
  const [stream] = streams;
  if (stream === undefined) throw new Error('it has not dialled');
  return { lane, sink, stream, streams, clock, arrived, bytesIn: () => traffic.meter('b', 'demand').bytesIn };
}

test('an answer in pieces arrives whole and is counted whole, each once', async () => {
  const { lane, sink, stream, arrived, bytesIn } = await opened();
  for (let at = 0; at < ANSWER.length; at += 1_000) stream.received(ANSWER.subarray(at, at + 1_000));
  assert.equal(arrived, [3, 2]);
  assert.is(bytesIn(), ANSWER.length);
  lane.request([RUN], sink);
  stream.received(answerOf(2));
  assert.is(bytesIn(), 2 * ANSWER.length);
  lane.close();
});

test('pieces of an answer that never becomes whole are counted when the stream ends, once', async () => {
  const { lane, stream, bytesIn } = await opened();
  stream.received(ANSWER.subarray(0, 1_000));
  stream.received(ANSWER.subarray(1_000, 1_500));
  stream.closed();
  assert.is(bytesIn(), 1_500);
  lane.close();
  assert.is(bytesIn(), 1_500);
});

test('what is no frame is counted too', async () => {
  const { lane, stream, bytesIn } = await opened();
  stream.received(Buffer.alloc(10, 0xff));
  assert.is(bytesIn(), 10);
  lane.close();
});

test('a peer that says nothing is asked on another stream, though it is asked more and more on this one', async () => {
  const { lane, sink, streams, clock, arrived } = await opened();
  for (let seconds = 0; seconds < 20; seconds++) {
    await clock.advance(1_000);
    lane.request([{ ...RUN, first: 100 + 2 * seconds }], sink);
    await settle();
  }
  assert.is(streams.length, 2);
  streams[1]?.received(ANSWER);
  assert.equal(arrived, [3, 2], 'what was asked first is asked again');
  lane.close();
});

test('one that had nothing to do is given its time from the next question on', async () => {
  const { lane, sink, stream, streams, clock } = await opened();
  stream.received(ANSWER);
  await clock.advance(50_000);
  lane.request([RUN], sink);
  await clock.advance(14_000);
  await settle();
  assert.is(streams.length, 1);
  await clock.advance(2_000);
  await settle();
  assert.is(streams.length, 2);
  lane.close();
});

test.run();
