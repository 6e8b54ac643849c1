// The splitter under every way of cutting a stream: the same messages, the caps, and nothing after rubbish.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { JsonObject } from '../../../sdnd/ovsdb/json.ts';
import { JsonSplitter, type Split } from '../../../sdnd/ovsdb/json-splitter.ts';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { chunksOf, randomObject } from './random-json.ts';

const SPACES = ['', '', ' ', '\n', '\r\n\t '];

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function feed(splitter: JsonSplitter, chunks: readonly Uint8Array[]): Split[] {
  return chunks.flatMap((chunk) => {
    const found = splitter.push(chunk);
    // Its owner reads the next bytes into the same room.
    chunk.fill(0x7b);
    return found;
  });
}

function codeAfter(text: string | Uint8Array, limits = { bytesMax: 100, depthMax: 4 }): string {
  const bytes = typeof text === 'string' ? bytesOf(text) : text;
  const splitter = new JsonSplitter(limits);
  const last = [...splitter.push(bytes.slice()), ...splitter.push(bytesOf('{}'))].at(-1);
  const single = feed(
    new JsonSplitter(limits),
    Array.from(bytes, (byte) => Uint8Array.of(byte)),
  ).at(-1);
  const codes = [last, single].map((split) => (split?.kind === 'bad' ? split.code : 'none'));
  assert.is(codes[0], codes[1], 'whole and byte by byte say the same');
  return codes[0] ?? '';
}

test('random messages come out as they went in, however the stream is cut', () => {
  const random = seededRandom(fuzzSeed());
  for (let round = 0; round < fuzzInputs(400); round++) {
    const messages: JsonObject[] = Array.from({ length: 1 + Math.floor(random() * 6) }, () => randomObject(random));
    const space = (): string => SPACES[Math.floor(random() * SPACES.length)] ?? '';
    const stream = bytesOf(
      messages.map((one) => space() + JSON.stringify(one, null, random() < 0.2 ? 2 : 0) + space()).join(''),
    );
    const splitter = new JsonSplitter();
    const found = feed(splitter, chunksOf(random, stream));
    const kept = found.map((split) => (split.kind === 'message' ? split.message : split.detail));
    assert.equal(kept, messages);
    assert.is(splitter.keptBytes, 0);
  }
});

test('what is no object, no JSON or no UTF-8 ends the stream with its reason', () => {
  assert.is(codeAfter('[]'), 'not-an-object');
  assert.is(codeAfter('{}null'), 'not-an-object');
  assert.is(codeAfter('{"a":}'), 'not-json');
  assert.is(codeAfter('{]'), 'not-json');
  assert.is(codeAfter('{"a\n":1}'), 'not-json');
  assert.is(codeAfter(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)), 'not-utf8');
  assert.is(codeAfter(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d)), 'not-an-object');
});

test('a message over a cap ends the stream before it is whole, and no more than the cap is kept', () => {
  assert.is(codeAfter(`{"a":"${'x'.repeat(92)}"}`), 'none');
  assert.is(codeAfter(`{"a":"${'x'.repeat(93)}"}`), 'too-long');
  assert.is(codeAfter('{"a":[[[0]]]}'), 'none');
  assert.is(codeAfter('{"a":[[[[0]]]]}'), 'too-deep');
  const splitter = new JsonSplitter({ bytesMax: 1000, depthMax: 4 });
  let most = 0;
  const found = Array.from({ length: 50 }, (_, at) => {
    const answers = splitter.push(bytesOf((at === 0 ? '{"a":"' : '').padEnd(100, 'x')));
    most = Math.max(most, splitter.keptBytes);
    return answers;
  }).flat();
  assert.equal(found, [{ kind: 'bad', code: 'too-long', detail: 'a message has more than 1000 bytes' }]);
  assert.ok(most <= 1000);
});

test('messages before the rubbish in one chunk are told', () => {
  const found = new JsonSplitter().push(bytesOf('{"a":1}{"b":2}x{"c":3}'));
  assert.equal(
    found.map((split) => (split.kind === 'message' ? split.message : split.code)),
    [{ a: 1 }, { b: 2 }, 'not-an-object'],
  );
});

test.run();
