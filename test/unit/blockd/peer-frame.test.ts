import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AnswerRoom } from '../../../blockd/peer/answer-room.ts';
import { encodePeerFrame, HEADER_BYTES, type PeerFrame, PeerFrameReader } from '../../../blockd/peer/peer-frame.ts';
import { NEW_TUNER } from '../../../blockd/propagation/s-tuner.ts';
import { RunWriter } from '../../../blockd/table/version-run.ts';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';

const RUN = { first: 7, count: 2, high: 256, low: 4_000_000_000 };
const LAYER = 'l00112233445566aa';
const DIGEST = '00112233445566778899aabbccddeeff';

function entries(): Buffer {
  const writer = new RunWriter();
  for (let block = 1; block < 6; block++) writer.add(block, 1, 256, 3, 3, 2, 77 + block);
  return writer.finish();
}

const FRAMES: PeerFrame[] = [
  { type: 'fetch', id: 9, runs: [RUN, { ...RUN, first: 100 }] },
  { type: 'blocks', id: 9, runs: [RUN], data: Buffer.alloc(8192, 5) },
  { type: 'absent', id: 9, run: RUN, hint: 'node-c' },
  { type: 'absent', id: 9, run: RUN, hint: '' },
  { type: 'follow', afterSequence: undefined },
  { type: 'follow', afterSequence: 2 ** 40 - 1 },
  { type: 'follow', afterSequence: undefined, proof: { lastSequence: 7, entries: 2, digest: '0a'.repeat(16) } },
  { type: 'begin', whole: true, blocks: 1000, epoch: 3, ends: [{ epoch: 2, lastSequence: 2 ** 33 }] },
  { type: 'begin', whole: false, blocks: 1, epoch: 1, ends: [] },
  { type: 'holder', index: 3, name: 'node-c' },
  { type: 'entries', runs: entries() },
  { type: 'mark', mark: { lastSequence: 2 ** 33, entries: 12, digest: DIGEST } },
  { type: 'refused', reason: 'no such image' },
  { type: 'outdated', reason: 'the epoch has ended' },
  { type: 'takes', isComing: true },
  { type: 'takes', isComing: false },
  { type: 'offer', id: 3, layer: LAYER, runs: [RUN, { ...RUN, first: 100 }] },
  { type: 'settled', id: 2 ** 32 - 1, isHeld: true },
  { type: 'settled', id: 0, isHeld: false },
  { type: 'keep', id: 7, flushed: true, epoch: 4100, runs: [RUN, { ...RUN, first: 100 }] },
  { type: 'kept', id: 7, runs: [RUN] },
  { type: 'kept', id: 8, runs: [] },
  { type: 'heat', summary: Buffer.from([1, 2, 3]) },
  { type: 'memory', memory: { tuner: NEW_TUNER, moves: [{ from: 'a', to: 'b', count: 1.5 }] } },
  {
    type: 'copy',
    offer: {
      ...{ image: 'web', bytes: 4096, epoch: 3, lastSequence: 2 ** 33 },
      stack: { layer: LAYER, generation: 2, below: [] },
    },
  },
  { type: 'taken', sequence: 2 ** 33 },
  { type: 'durable', epoch: 3, mark: { lastSequence: 2 ** 33, entries: 12, digest: DIGEST } },
];

function readAll(...chunks: Uint8Array[]): { frames: PeerFrame[]; isSound: boolean } {
  const reader = new PeerFrameReader();
  const frames: PeerFrame[] = [];
  // A frame's buffers are the reader's: what is kept is copied.
  const isSound = chunks.every((chunk) => reader.receive(chunk, (frame) => frames.push(structuredCopy(frame))));
  return { frames, isSound };
}

function structuredCopy(frame: PeerFrame): PeerFrame {
  if (frame.type === 'blocks') return { ...frame, data: Buffer.from(frame.data) };
  if (frame.type === 'heat') return { ...frame, summary: Buffer.from(frame.summary) };
  if (frame.type === 'entries') return { ...frame, runs: Buffer.from(frame.runs) };
  return frame;
}

test('every frame comes back, wherever the stream is cut', () => {
  const small = FRAMES.filter((frame) => frame.type !== 'blocks');
  const stream = Buffer.concat(small.map(encodePeerFrame));
  for (let cut = 0; cut <= stream.length; cut++) {
    const { frames, isSound } = readAll(stream.subarray(0, cut), stream.subarray(cut));
    assert.ok(isSound);
    assert.equal(frames, small);
  }
  assert.equal(readAll(Buffer.concat(FRAMES.map(encodePeerFrame))).frames, FRAMES);
});

test('an answer whose blocks were read to their place is the same frame, also from a room that was used before', () => {
  const room = new AnswerRoom();
  room.dataOf(64).fill(9);
  room.frameOf(1, { ...RUN, count: 64 });
  room.dataOf(2).fill(5);
  const frame = encodePeerFrame({ type: 'blocks', id: 9, runs: [RUN], data: Buffer.alloc(8192, 5) });
  assert.ok(room.frameOf(9, RUN).equals(frame));
});

test('one byte at a time too', () => {
  const stream = Buffer.concat(FRAMES.map(encodePeerFrame));
  const bytes = Array.from(stream, (_, index) => stream.subarray(index, index + 1));
  assert.equal(readAll(...bytes).frames, FRAMES);
});

test('rubbish is refused, and none of it costs memory or an exception', () => {
  const refused = [
    Buffer.from([0xff, 0xff, 0xff, 0xff, 1]),
    Buffer.from([0, 0, 0, 0, 0, 0]),
    Buffer.from([0, 0, 0, 1, 99]),
    Buffer.from([0, 0, 0, 2, 4, 0]),
    encodePeerFrame({ type: 'fetch', id: 1, runs: [] }),
    encodePeerFrame({ type: 'fetch', id: 1, runs: [{ ...RUN, count: 0 }] }),
    encodePeerFrame({ type: 'fetch', id: 1, runs: [{ ...RUN, count: 2 ** 31 }] }),
    encodePeerFrame({ type: 'blocks', id: 1, runs: [RUN], data: Buffer.alloc(4096) }),
    encodePeerFrame({ type: 'absent', id: 1, run: RUN, hint: 'x'.repeat(50) }),
    encodePeerFrame({ type: 'entries', runs: Buffer.alloc(19) }),
    encodePeerFrame({ type: 'offer', id: 1, layer: LAYER, runs: [] }),
    encodePeerFrame({ type: 'offer', id: 1, layer: LAYER, runs: [{ ...RUN, count: 65 }] }),
    encodePeerFrame({ type: 'offer', id: 1, layer: LAYER, runs: [{ ...RUN, count: 0 }] }),
    encodePeerFrame({ type: 'offer', id: 1, layer: '../../../../etc/x', runs: [RUN] }),
    Buffer.from([0, 0, 0, 2, 10, 2]),
    Buffer.from([0, 0, 0, 3, 14, 0x7b, 0x7d]),
    Buffer.from([0, 0, 0, 2, 14, 0x7b]),
    Buffer.from([0, 0, 0, 6, 12, 0, 0, 0, 0, 7]),
    Buffer.from([0, 0, 0, 2, 12, 0]),
    Buffer.from([0, 0, 0, 3, 18, 0x7b, 0x7d]),
    Buffer.from([0, 0, 0, 2, 18, 0x7b]),
    encodePeerFrame({ type: 'taken', sequence: 2 ** 41 }),
    encodePeerFrame({ type: 'durable', epoch: 2 ** 24, mark: { lastSequence: 1, entries: 1, digest: DIGEST } }),
    encodePeerFrame({ type: 'durable', epoch: 1, mark: { lastSequence: 2 ** 41, entries: 1, digest: DIGEST } }),
  ];
  for (const bytes of refused) assert.not(readAll(bytes).isSound, bytes.toString('hex').slice(0, 60));
});

test('an offer of a copy is refused when any of its bytes is another', () => {
  const bytes = FRAMES.filter((frame) => frame.type === 'copy').map(encodePeerFrame)[0] ?? Buffer.alloc(0);
  assert.is(readAll(bytes).frames.length, 1);
  for (let at = HEADER_BYTES; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.not(readAll(changed).isSound, `byte ${at}`);
  }
});

test('mutated frames are frames or refused, never an exception', () => {
  const streamed = Buffer.concat(FRAMES.filter((frame) => frame.type !== 'blocks').map(encodePeerFrame));
  const inputs = fuzzInputs(20_000);
  let seed = fuzzSeed(12345);
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let round = 0; round < inputs; round++) {
    const stream = Buffer.from(streamed);
    for (let flips = 0; flips < 3; flips++) stream[random(stream.length)] = random(256);
    readAll(stream.subarray(0, random(stream.length)));
  }
  assert.ok(true);
});

test.run();
