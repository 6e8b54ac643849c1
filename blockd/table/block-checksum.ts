// The checksum of a block's content: the lower 32 bits of its XXH64. It finds rot and torn writes, not forgeries; whoever
// could forge a block could forge its checksum.
import xxhash from 'xxhash-wasm';
import { BLOCK_BYTES } from './block-version.ts';

// Why WebAssembly: ARCHITECTURE, "Every block with data has a checksum". It starts asynchronously, once.
const { h64Raw } = await xxhash();

/** Of one block's bytes. */
export function checksumOf(block: Uint8Array): number {
  return Number(BigInt.asUintN(32, h64Raw(block)));
}

/** Of a block of zeros. */
export const ZERO_SUM = checksumOf(new Uint8Array(BLOCK_BYTES));

/** Of each block in whole blocks' bytes. */
export function checksumsOf(data: Uint8Array): Uint32Array {
  const sums = new Uint32Array(data.length / BLOCK_BYTES);
  for (let index = 0; index < sums.length; index++) {
    sums[index] = checksumOf(data.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES));
  }
  return sums;
}

/** The XXH64 of some MiB at most: the hash works on a copy, whose room it keeps. */
export function hashOf(bytes: Uint8Array): bigint {
  return h64Raw(bytes);
}
