// A whole table as runs, durable or not: what a test compares.
import type { VersionTable } from '../../../blockd/table/version-table.ts';

/** All entries in block order, those of blocks never written included. */
export function runsOf(table: VersionTable): Buffer {
  return table.runs(0, table.blocks, () => true).runs;
}
