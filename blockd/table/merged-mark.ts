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

/** What tables, or one of them, say of a block. */
type Entries = Pick<VersionTable, 'contentOf' | 'versionOf' | 'sumOf'>;

/**
 * The mark of the lowest table with the entries of those over it in place of its own. `uppers`: the newest first. Lets others
 * go on between its steps.
 */
export async function mergedMark(
  lowest: VersionTable,
  uppers: readonly VersionTable[],
  pause: () => Promise<void>,
): Promise<TableMark> {
  const digest = new TableDigest();
  digest.restore(lowest.mark.digest);
  let { entries } = lowest.mark;
  for (const [index, upper] of [...uppers.entries()].toReversed()) {
    const seen = seenOf(lowest, uppers.slice(index + 1));
    for (let from = 0; from < upper.blocks; ) {
      const { runs, end } = entriesOf(upper, from);
      for (const run of runs) entries += layOver(digest, seen, run);
      from = end;
      if (from < upper.blocks) await pause();
    }
  }
  const lastSequence = Math.max(...[lowest, ...uppers].map((table) => table.lastSequence));
  return { lastSequence, entries, digest: digest.hex() };
}

/** What is seen of tables that lie over the lowest one, the newest first. */
function seenOf(lowest: VersionTable, over: readonly VersionTable[]): Entries {
  if (over.length === 0) return lowest;
  const of = (block: number): VersionTable => over.find((table) => table.contentOf(block) !== 0) ?? lowest;
  return {
    contentOf: (block) => of(block).contentOf(block),
    versionOf: (block) => of(block).versionOf(block),
    sumOf: (block) => of(block).sumOf(block),
  };
}

/**
 * Takes a run's entries into the digest in place of the lower table's own, and answers how many blocks that one has no
 * entry of.
 */
export function layOver(
  digest: TableDigest,
  lower: Entries,
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
