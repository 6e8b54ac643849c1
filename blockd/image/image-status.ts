// What a client may know of an image's bytes without reading them: whether they are zeros, whether they are here, and
// which epoch wrote them. Reads the table and changes nothing.
import { ALLOCATION, VERSION_STATUS } from '../nbd/meta-contexts.ts';
import type { StatusKind } from '../nbd/nbd-device.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA } from '../table/version-run.ts';

/** A table, or the tables of a stack. */
export interface StatusSource {
  contentOf(block: number): number;
  epochAt(block: number): number;
}

/** The bits of the status at an offset, by the definition of the context (`meta-contexts.ts`). */
export function statusOf(table: StatusSource, kind: StatusKind, offset: number): number {
  const block = Math.floor(offset / BLOCK_BYTES);
  return kind === 'allocation' ? allocationOf(table, block) : versionStatusOf(table, block);
}

/** Where the status of `offset` ends, at most at `end`. */
export function endOfStatus(table: StatusSource, kind: StatusKind, offset: number, end: number): number {
  const statusAt = kind === 'allocation' ? allocationOf : versionStatusOf;
  let block = Math.floor(offset / BLOCK_BYTES);
  const status = statusAt(table, block);
  do block++;
  while (block * BLOCK_BYTES < end && statusAt(table, block) === status);
  return Math.min(end, block * BLOCK_BYTES);
}

/** What is at another node has data and is no hole: a client that took it for one would read nothing there. */
function allocationOf(table: StatusSource, block: number): number {
  return (table.contentOf(block) & DATA) === 0 ? ALLOCATION.HOLE | ALLOCATION.ZERO : 0;
}

function versionStatusOf(table: StatusSource, block: number): number {
  const content = table.contentOf(block);
  const flags = content === DATA ? VERSION_STATUS.AWAY : (content & DATA) === 0 ? VERSION_STATUS.ZERO : 0;
  return ((table.epochAt(block) << VERSION_STATUS.EPOCH_SHIFT) | flags) >>> 0;
}
