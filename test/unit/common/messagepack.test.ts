// Plain data goes through; bytes that lie are found before anything is made of them.
import { Packr } from 'msgpackr';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeMessagePack, encodeMessagePack } from '../../../common/messagepack.ts';
import { messagePackFault } from '../../../common/messagepack-scan.ts';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';
import { seededRandom } from './seeded-random.ts';

const sample = {
  nothing: null,
  yes: true,
  numbers: [0, 1, -1, 127, 128, -33, 65_535, 2 ** 31, -(2 ** 31), 2 ** 40 - 1, Number.MAX_SAFE_INTEGER, 0.5, -1e300],
  texts: ['', 'x', 'ü€😀', 'y'.repeat(40), 'z'.repeat(300), 'w'.repeat(70_000)],
  list: Array.from({ length: 20 }, (_, i) => ({ i })),
  nested: { a: { b: { c: [[[]], {}] } } },
};

function decoded(bytes: Uint8Array): unknown {
  const result = decodeMessagePack(bytes);
  if (!result.ok) throw new Error(result.fault);
  return result.value;
}

test('plain values come back as they were', () => {
  assert.equal(decoded(encodeMessagePack(sample)), sample);
});

test('numbers stay numbers up to 2^53, bigints beyond', () => {
  assert.is(decoded(encodeMessagePack(2 ** 40 - 1)), 2 ** 40 - 1);
  assert.is(decoded(encodeMessagePack(5n)), 5);
  assert.is(decoded(encodeMessagePack(2n ** 60n)), 2n ** 60n);
});

test('binary comes back as bytes of its own', () => {
  const bytes = encodeMessagePack({ data: new Uint8Array([1, 2, 3]) });
  const { data } = decoded(bytes) as { data: Uint8Array };
  assert.instance(data, Uint8Array);
  assert.equal([...data], [1, 2, 3]);
  bytes.fill(0);
  assert.equal([...data], [1, 2, 3]);
});

test('fields that are undefined are left out', () => {
  assert.equal(decoded(encodeMessagePack({ a: undefined, b: 1 })), { b: 1 });
});

test('a value cut at any byte is refused', () => {
  const { texts: _long, ...short } = sample;
  const bytes = encodeMessagePack({ ...short, data: new Uint8Array(20) });
  for (let length = 0; length < bytes.length; length += 1) {
    assert.is.not(messagePackFault(bytes.subarray(0, length)), undefined, `${length} of ${bytes.length} bytes`);
  }
  assert.is(messagePackFault(bytes), undefined);
  assert.match(messagePackFault(Buffer.concat([bytes, new Uint8Array(1)])) ?? '', '1 bytes follow');
});

test('extension types are refused wherever they stand', () => {
  const loose = new Packr({ moreTypes: true, structuredClone: true, useRecords: true });
  for (const value of [new Date(), new Set([1]), /x/, [undefined], new Error('x'), [{ a: 1 }, { a: 2 }]]) {
    assert.match(messagePackFault(loose.pack(value)) ?? '', 'is not plain data');
  }
  for (const format of [0xc1, 0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]) {
    assert.match(messagePackFault(new Uint8Array([0x91, format, 0, 0, 0, 0, 0, 0])) ?? '', 'is not plain data');
  }
});

test('counts beyond the bytes and nesting without end are refused', () => {
  for (const format of [0xc6, 0xdb, 0xdd, 0xdf]) {
    assert.match(messagePackFault(new Uint8Array([format, 0xff, 0xff, 0xff, 0xff, 0])) ?? '', 'does not end');
  }
  assert.match(messagePackFault(new Uint8Array(1_000_000).fill(0x91)) ?? '', 'nesting deeper than 32');
});

test('keys that are no texts are refused', () => {
  for (const key of [[0x90], [0x80], [0x01], [0xc0], [0xc4, 0]]) {
    assert.match(messagePackFault(new Uint8Array([0x82, 0xa1, 0x61, 0x01, ...key, 0x01])) ?? '', 'the key at byte 4');
  }
  assert.is(messagePackFault(new Uint8Array([0x82, 0xa1, 0x61, 0x01, 0xd9, 0x01, 0x62, 0x90])), undefined);
});

test('a key of the language does not change what objects are', () => {
  const value = decoded(
    Buffer.concat([new Uint8Array([0x81, 0xa9]), Buffer.from('__proto__'), new Uint8Array([0x81, 0xa1, 0x78, 0x01])]),
  );
  assert.is(({} as { x?: number }).x, undefined);
  assert.is(Object.getPrototypeOf(value), Object.prototype);
});

test('changed bytes decode or are refused, and never throw', () => {
  const inputs = fuzzInputs(20_000);
  const random = seededRandom(fuzzSeed(1));
  const { texts: _long, ...short } = sample;
  const good = encodeMessagePack(short);
  let refused = 0;
  for (let round = 0; round < inputs; round += 1) {
    const bytes = Uint8Array.from(good);
    for (let i = 0; i <= random() * 4; i += 1) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    if (!decodeMessagePack(bytes).ok) refused += 1;
  }
  assert.ok(refused > 1000 && refused < inputs, `${refused} refused`);
});

test.run();
