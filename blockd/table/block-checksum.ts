// The checksum of a block's content: the lower 32 bits of its XXH64. It finds rot and torn writes, not forgeries; whoever
// could forge a block could forge its checksum.
import { xxh64Low } from '../../common/xxhash.ts';
import { BLOCK_BYTES } from './block-version.ts';

/** Of one block's bytes. */
export function checksumOf(block: Uint8Array): number {
  return xxh64Low(block, 0, block.length);
}

/** Of the block whose bytes begin at `at`: no view of it is made, which would cost as much again. */
export function checksumAt(data: Uint8Array, at: number): number {
  return xxh64Low(data, at, BLOCK_BYTES);
}

/** Of a block of zeros. */
export const ZERO_SUM = checksumOf(new Uint8Array(BLOCK_BYTES));

/** Of each block in whole blocks' bytes. */
export function checksumsOf(data: Uint8Array): Uint32Array {
  const sums = new Uint32Array(data.length / BLOCK_BYTES);
  for (let index = 0; index < sums.length; index++) sums[index] = checksumAt(data, index * BLOCK_BYTES);
  return sums;
}
