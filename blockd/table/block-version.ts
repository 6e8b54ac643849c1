// What names one content of one block: the writer's epoch and the image's sequence. Never compares for more than
// equality, except to say how far a closed epoch reached (SOUNDNESS A7).

/** The unit of versions and of transfer between stores. */
export const BLOCK_BYTES = 4096;
/** 24 bits: the epoch stands in the upper part of a version's high word. */
export const EPOCH_MAX = 2 ** 24 - 1;
/** 40 bits: at 100,000 writes per second an image reaches the end of one epoch's numbers in 127 days. */
export const SEQUENCE_MAX = 2 ** 40 - 1;

const SEQUENCE_HIGH_BITS = 8;
const WORD = 2 ** 32;

/** One write of one image; `{ epoch: 0, sequence: 0 }` is a block that was never written and reads as zeros. */
export interface Version {
  readonly epoch: number;
  readonly sequence: number;
}

/** Epoch and the upper 8 bits of the sequence, as an unsigned 32-bit number. */
export function versionHigh(version: Version): number {
  return ((version.epoch << SEQUENCE_HIGH_BITS) | Math.floor(version.sequence / WORD)) >>> 0;
}

/** The lower 32 bits of the sequence. */
export function versionLow(version: Version): number {
  return version.sequence % WORD;
}

/** The epoch in a version's high word. */
export function epochOf(high: number): number {
  return high >>> SEQUENCE_HIGH_BITS;
}

/** The sequence in a version's two words. */
export function sequenceOf(high: number, low: number): number {
  return (high & (2 ** SEQUENCE_HIGH_BITS - 1)) * WORD + low;
}

/** How an epoch ended: no version of it beyond this sequence is part of any image. */
export interface EpochEnd {
  readonly epoch: number;
  readonly lastSequence: number;
}

/** Whether a version belongs to an epoch that is known to have ended before it: a tail (SOUNDNESS A7). */
export function isTail(high: number, low: number, ends: readonly EpochEnd[]): boolean {
  const end = ends.find((candidate) => candidate.epoch === epochOf(high));
  return end !== undefined && sequenceOf(high, low) > end.lastSequence;
}
