// What a table adds up to once another one is laid over it, without making it: the sums follow each entry in constant time.
import { TableDigest } from './table-digest.ts';
import { DATA, readRuns, type VersionRun } from './version-run.ts';
import type { TableMark, VersionTable } from './version-table.ts';

/** Blocks that take memory and are looked at in one step: a few ms. */
export const STEP_BLOCKS = 8_192;

/** The entries of a table from a block on, so many at most, and where they end. */
export function entriesOf(table: VersionTable, from: number): { runs: Iterable<VersionRun>; end: number } {
  const { runs, end } = table.runs(from, STEP_BLOCKS, (block) => table.contentOf(block) !== 0);
  return { runs: readRuns(runs), end };
}

/** The mark of the lower table with the upper one's entries in place of its own. Lets others go on between its steps. */
export async function mergedMark(
  lower: VersionTable,
  upper: VersionTable,
  pause: () => Promise<void>,
): Promise<TableMark> {
  const digest = new TableDigest();
  digest.restore(lower.mark.digest);
  let { entries } = lower.mark;
  for (let from = 0; from < upper.blocks; ) {
    const { runs, end } = entriesOf(upper, from);
    for (const run of runs) entries += layOver(digest, lower, run);
    from = end;
    await pause();
  }
  return { lastSequence: Math.max(lower.lastSequence, upper.lastSequence), entries, digest: digest.hex() };
}

/**
 * Takes a run's entries into the digest in place of the lower table's own, and answers how many blocks that one has no
 * entry of.
 */
export function layOver(
  digest: TableDigest,
  lower: VersionTable,
  { first, count, high, low, flags, sumAt }: VersionRun,
): number {
  let added = 0;
  for (let block = first; block < first + count; block++) {
    const content = lower.contentOf(block);
    const { high: oldHigh, low: oldLow } = lower.versionOf(block);
    if (content === 0) added++;
    else digest.remove(block, oldHigh, oldLow, (content & DATA) === 0, lower.sumOf(block));
    digest.add(block, high, low, (flags & DATA) === 0, sumAt(block - first));
  }
  return added;
}
