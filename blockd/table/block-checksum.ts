// The checksum of a block's content: the lower 32 bits of its XXH64. It finds rot and torn writes, not forgeries; whoever
// could forge a block could forge its checksum.
import xxhash from 'xxhash-wasm';
import { BLOCK_BYTES } from './block-version.ts';

// WebAssembly takes 0.45 us for a block where zlib.crc32 takes 1.1 us (docs/LAB.md); it starts asynchronously, once.
const { h64Raw } = await xxhash();

/** Of one block's bytes. */
export function checksumOf(block: Uint8Array): number {
  return Number(BigInt.asUintN(32, h64Raw(block)));
}

/** Of each block in whole blocks' bytes. */
export function checksumsOf(data: Uint8Array): Uint32Array {
  const sums = new Uint32Array(data.length / BLOCK_BYTES);
  for (let index = 0; index < sums.length; index++) {
    sums[index] = checksumOf(data.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES));
  }
  return sums;
}
