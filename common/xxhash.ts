// XXH64 by the system's libxxhash, which works where the bytes are; by WebAssembly, which copies them first, where there is
// none. Both give the same (a test compares them); how much faster: docs/DISK.md, "Every block with data has a checksum".
import koffi from 'koffi';
import xxhash from 'xxhash-wasm';
import { addressOf } from './native-memory.ts';

/** The lower 32 bits of the XXH64 (seed 0) of `count` bytes from `at` on. */
export type Xxh64Low = (bytes: Uint8Array, at: number, count: number) => number;

// It starts asynchronously, once.
const { h64Raw } = await xxhash();

/** Of some MiB at most: it works on a copy, whose room it keeps. */
export function xxh64(bytes: Uint8Array): bigint {
  return h64Raw(bytes);
}

/** Works everywhere. */
export const portableXxh64Low: Xxh64Low = (bytes, at, count) =>
  Number(BigInt.asUintN(32, h64Raw(bytes.subarray(at, at + count))));

export const xxh64Low: Xxh64Low = nativeXxh64Low() ?? portableXxh64Low;

function nativeXxh64Low(): Xxh64Low | undefined {
  try {
    // The result is in one register: its lower half is what a function of 32 bits would answer, and no BigInt is made.
    const call = koffi.load('libxxhash.so.0').func('uint32_t XXH64(uintptr_t bytes, size_t count, uint64_t seed)');
    return (bytes, at, count) => call(addressOf(bytes) + at, count, 0);
  } catch {
    return undefined;
  }
}
