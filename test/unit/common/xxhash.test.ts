// XXH64 by the system's library and by WebAssembly: what one wrote, the other has to recognise.
import { randomBytes } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { portableXxh64Low, xxh64, xxh64Low } from '../../../common/xxhash.ts';

test('both give the lower half of XXH64, of any bytes and from anywhere', () => {
  const bytes = randomBytes(64 * 1024 + 7);
  for (const [at, count] of [
    [0, bytes.length],
    [0, 4096],
    [4096, 4096],
    [3, 4096],
    [60 * 1024 + 7, 4096],
    [5, 31],
    [9, 0],
  ] as const) {
    const whole = Number(BigInt.asUintN(32, xxh64(bytes.subarray(at, at + count))));
    assert.is(xxh64Low(bytes, at, count), whole, `${count} bytes at ${at}`);
    assert.is(portableXxh64Low(bytes, at, count), whole, `${count} bytes at ${at}`);
  }
});

test('a view of a larger buffer is hashed where it begins', () => {
  const bytes = randomBytes(8192);
  assert.is(xxh64Low(bytes.subarray(100), 28, 4096), xxh64Low(bytes, 128, 4096));
});

test('the hash is XXH64 as others have it', () => {
  // The specification's value of no bytes and seed 0 (doc/xxhash_spec.md of xxHash).
  assert.is(xxh64(new Uint8Array(0)), 0xef46db3751d8e999n);
});

test.run();
