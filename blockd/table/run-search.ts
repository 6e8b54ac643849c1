// Finds runs of blocks that say the same in a table. It changes nothing.
import { type BlockEntries, CONTENT } from './block-entries.ts';

/** Neighbours that share version and holder. */
export interface BlockRun {
  readonly first: number;
  readonly count: number;
  readonly high: number;
  readonly low: number;
  readonly holder: number;
}

/**
 * The next blocks at or after `from` (before `end`) whose content stands so (`DATA`, or `CONTENT` for data that is here) and
 * that share version and holder; at most so many.
 */
export function nextRun(
  entries: BlockEntries,
  content: number,
  from: number,
  end: number,
  countMax: number,
): BlockRun | undefined {
  let first = entries.slab.nextPlaced(from, end);
  while (first < end && entries.contentOf(first) !== content) first = entries.slab.nextPlaced(first + 1, end);
  if (first >= end) return undefined;
  const { high, low } = entries.versionOf(first);
  const holder = entries.holderOf(first);
  const limit = Math.min(end, first + countMax);
  const isAlike = (block: number): boolean =>
    entries.contentOf(block) === content && entries.equals(block, high, low) && entries.holderOf(block) === holder;
  let block = first + 1;
  while (block < limit && isAlike(block)) block++;
  return { first, count: block - first, high, low, holder };
}

/** How many blocks from `first` to before `end` have their data here. */
export function countHeld(entries: BlockEntries, first: number, end: number): number {
  let count = 0;
  for (let block = entries.slab.nextPlaced(first, end); block < end; ) {
    if (entries.contentOf(block) === CONTENT) count++;
    block = entries.slab.nextPlaced(block + 1, end);
  }
  return count;
}
