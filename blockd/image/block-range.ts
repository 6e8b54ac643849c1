// Which blocks a range of bytes has to do with. Arithmetic only.
import { BLOCK_BYTES } from '../table/block-version.ts';

/** The block of a byte. */
export function blockOf(offset: number): number {
  return Math.floor(offset / BLOCK_BYTES);
}

/** The block behind the last one that has bytes before `end`. */
export function endBlockOf(end: number): number {
  return Math.ceil(end / BLOCK_BYTES);
}

const NONE: readonly number[] = [];

/** The blocks that the range covers in part: none, one or two. */
export function partialBlocks(offset: number, length: number): readonly number[] {
  if (offset % BLOCK_BYTES === 0 && length % BLOCK_BYTES === 0) return NONE;
  const first = blockOf(offset);
  const last = blockOf(offset + length - 1);
  const blocks = offset % BLOCK_BYTES === 0 ? [] : [first];
  if ((offset + length) % BLOCK_BYTES !== 0 && blocks[0] !== last) blocks.push(last);
  return blocks;
}

/** What says which blocks must be fetched, in runs. */
interface Missing {
  nextMissing(
    from: number,
    end: number,
    countMax: number,
  ): { readonly first: number; readonly count: number } | undefined;
}

/** How many blocks from `first` to before `end` must be fetched. */
export function missingIn(of: Missing, first: number, end: number): number {
  let count = 0;
  for (let from = first; from < end; ) {
    const run = of.nextMissing(from, end, end - from);
    if (run === undefined) break;
    count += run.count;
    from = run.first + run.count;
  }
  return count;
}
