// A copy beside a writer whose store is an older copy of itself: it is noticed by what it tells, without any controller.
import type { ImageStore } from '../store/image-store.ts';
import { epochOf, sequenceOf } from '../table/block-version.ts';
import { DATA, HERE, type VersionRun } from '../table/version-run.ts';

/**
 * Whether a writer under the epoch cannot have told the run, had it not gone back: under one epoch a block's versions only
 * rise, and none is told before it is durable (SOUNDNESS A1, D2). Then what is here may be all that is left of it. A name
 * without its content proves nothing, for it may be misheard; of a sealed layer the writer may tell a state before a merge.
 */
export function isPutBack(
  { table, state }: ImageStore,
  epoch: number,
  { first, count, high, low }: VersionRun,
): boolean {
  if (state.role === 'sealed') return false;
  const end = first + count;
  for (let block = first; block < end; block++) {
    if (table.contentOf(block) !== (DATA | HERE)) block = table.endOfContent(block, end) - 1;
    else if (table.epochAt(block) !== epoch) continue;
    else if (epochOf(high) < epoch || sequenceOf(high, low) < table.sequenceAt(block)) return true;
  }
  return false;
}
