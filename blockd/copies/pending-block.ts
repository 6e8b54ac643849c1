// Blocks of a copy whose newest version is known and whose content is not: what is to be asked for of them, and whether
// they are what the writer's table names. Pure functions over them.
import type { WantedRun } from '../layers/block-fetcher.ts';
import { layOver } from '../table/merged-mark.ts';
import { TableDigest } from '../table/table-digest.ts';
import { DATA } from '../table/version-run.ts';
import type { TableMark, VersionTable } from '../table/version-table.ts';

/** A version that is known here and whose content is not. */
export interface PendingBlock {
  readonly high: number;
  readonly low: number;
  readonly sum: number;
  readonly holder: number;
  /** Which barrier told it. */
  readonly barrier: number;
  /** Whom to ask for its content; the writer without it. */
  readonly place?: string | undefined;
}

/** What to ask the place for, or the writer: runs of at most so many blocks in all, of which `isAsked` names none. */
export function wantedRuns(
  pending: ReadonlyMap<number, PendingBlock>,
  blocksMax: number,
  isAsked: (block: number) => boolean,
  place?: string,
): WantedRun[] {
  const runs: { first: number; count: number; high: number; low: number }[] = [];
  let left = blocksMax;
  for (const [block, { high, low, place: at }] of pending) {
    if (left === 0) return runs;
    if (at !== place || isAsked(block)) continue;
    left--;
    const last = runs.at(-1);
    const isNext = last !== undefined && last.first + last.count === block && last.high === high && last.low === low;
    if (isNext) last.count++;
    else runs.push({ first: block, count: 1, high, low });
  }
  return runs;
}

/** Whether the table would be the writer's at the mark if all that is pending had come. */
export function isNamedWith(table: VersionTable, pending: ReadonlyMap<number, PendingBlock>, mark: TableMark): boolean {
  const digest = new TableDigest();
  let { entries } = table.mark;
  digest.restore(table.mark.digest);
  for (const [block, { high, low, sum }] of pending) {
    entries += layOver(digest, table, { first: block, count: 1, high, low, flags: DATA, holder: 0, sumAt: () => sum });
  }
  return digest.hex() === mark.digest && entries === mark.entries;
}
