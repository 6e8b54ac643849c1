// Frames of streams between stores with bytes changed, cut, doubled and left out, and the store that says them. Not a test
// itself.
import type { Image } from '../../../blockd/image/image.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { smallImage } from './small-image.ts';

const CHANGES_MAX = 4;

export type Random = () => number;

export function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}

/** Frames left out or doubled, then bytes changed, then perhaps the end cut off. */
export function mutated(random: Random, frames: readonly Uint8Array[]): Buffer {
  const chosen = [...frames];
  const kind = random();
  const at = below(random, chosen.length);
  if (kind < 0.15) chosen.splice(at, 1);
  else if (kind < 0.3) chosen.splice(at, 0, ...chosen.slice(at, at + 2));
  const bytes = Buffer.concat(chosen);
  if (bytes.length === 0) return bytes;
  for (let count = below(random, CHANGES_MAX + 1); count > 0; count--) {
    // Most of a stream is blocks: half of the changes go where the frames' heads are.
    const end = random() < 0.5 ? bytes.length : Math.min(bytes.length, 64);
    bytes[below(random, end)] = random() < 0.5 ? below(random, 256) : 1 << below(random, 8);
  }
  return random() < 0.2 ? bytes.subarray(0, below(random, bytes.length)) : bytes;
}

/** A writer with data, zeros and blocks never written, all durable. */
export async function source(): Promise<{ image: Image; store: ImageStore }> {
  const { image, store } = await smallImage();
  for (let block = 0; block < 8; block++) {
    await image.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, block + 1), false);
  }
  await image.trim(2 * BLOCK_BYTES, BLOCK_BYTES, true);
  return { image, store };
}
