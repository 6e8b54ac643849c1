// Properties of the codec over random messages: what is written is read back, cut and damaged bytes never throw, and the
// stream reader gives the same messages however the stream is cut.

import { type Bad, type Decoded, decode, encode, MessageReader } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';
import { MESSAGE_TYPES, randomMessage } from './message-generator.ts';
import { Random } from './random.ts';

const MESSAGES_PER_TYPE = 200;

test('every message type reads back as it was written, and is written the same again', () => {
  const random = new Random(1);
  for (const type of MESSAGE_TYPES) {
    for (let i = 0; i < MESSAGES_PER_TYPE; i++) {
      const message = randomMessage(random, type);
      const xid = random.bits(32);
      const bytes = encode(message, xid);
      const result = decode(bytes);
      assert.equal(result, { kind: 'message', message, xid, version: 4, bytes: bytes.length });
      if (result.kind === 'message') assert.equal(encode(result.message, xid), bytes);
    }
  }
});

test('a message cut at any byte asks for more', () => {
  const random = new Random(2);
  for (const type of MESSAGE_TYPES) {
    for (let i = 0; i < 10; i++) {
      const bytes = encode(randomMessage(random, type), i);
      for (let end = 0; end < bytes.length; end++) {
        const bytesMissing = (end < 8 ? 8 : bytes.length) - end;
        assert.equal(decode(bytes.subarray(0, end)), { kind: 'more', bytesMissing });
      }
    }
  }
});

test('a message whose length is cut to any byte is read or bad, and never throws', () => {
  const random = new Random(3);
  const codes = new Set<string>();
  for (const type of MESSAGE_TYPES) {
    for (let i = 0; i < 10; i++) {
      const bytes = encode(randomMessage(random, type), i);
      for (let end = 0; end < bytes.length; end++) {
        const cut = bytes.slice(0, Math.max(end, 8));
        new DataView(cut.buffer).setUint16(2, end);
        const result = decode(cut);
        assert.is.not(result.kind, 'more');
        if (result.kind === 'bad') codes.add(result.code);
      }
    }
  }
  assert.ok(codes.has('truncated') && codes.has('bad-length'), [...codes].join());
});

test('damaged messages never throw, and what is still read can be written and reads the same', () => {
  const inputs = fuzzInputs(20_000);
  const random = new Random(fuzzSeed(4));
  const seen = { message: 0, bad: 0, more: 0 };
  for (let i = 0; i < inputs; i++) {
    const bytes = encode(randomMessage(random, random.pick(MESSAGE_TYPES)), i);
    for (let hit = 0; hit <= random.below(3); hit++) bytes[4 + random.below(bytes.length - 4)] = random.bits(8);
    if (random.chance(0.1)) bytes[1] = random.below(32);
    const result = decode(bytes);
    seen[result.kind]++;
    if (result.kind !== 'message') continue;
    const again = decode(encode(result.message, result.xid));
    assert.is(again.kind, 'message');
    if (again.kind === 'message') assert.equal(again.message, result.message);
  }
  assert.ok(seen.message > 1000 && seen.bad > 1000, JSON.stringify(seen));
});

test('rubbish never throws', () => {
  const inputs = fuzzInputs(20_000);
  const random = new Random(fuzzSeed(5) + 1);
  for (let i = 0; i < inputs; i++) {
    const bytes = random.bytes(8 + random.below(120));
    const view = new DataView(bytes.buffer);
    view.setUint8(0, 4);
    view.setUint8(1, random.below(31));
    view.setUint16(2, bytes.length);
    assert.ok(['message', 'bad'].includes(decode(bytes).kind));
  }
});

function stream(seed: number, count: number): { bytes: Uint8Array; results: unknown[] } {
  const random = new Random(seed);
  const messages = Array.from({ length: count }, () => randomMessage(random, random.pick(MESSAGE_TYPES)));
  const parts = messages.map((message, xid) => encode(message, xid));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, results: messages.map((message, xid) => ({ message, xid })) };
}

function summary(results: readonly (Decoded | Bad)[]): unknown[] {
  return results.map((result) => (result.kind === 'message' ? { message: result.message, xid: result.xid } : result));
}

test('the reader gives the same messages however the stream is cut', () => {
  const { bytes, results } = stream(6, 100);
  for (const chunkMax of [1, 2, 7, 9, 64, 1000, bytes.length]) {
    const random = new Random(chunkMax);
    const reader = new MessageReader();
    const read: (Decoded | Bad)[] = [];
    for (let at = 0; at < bytes.length; ) {
      const chunkBytes = 1 + random.below(chunkMax);
      read.push(...reader.push(bytes.slice(at, at + chunkBytes)));
      at += chunkBytes;
    }
    assert.equal(summary(read), results, `chunks of up to ${chunkMax} bytes`);
  }
});

test.run();
