// In which order blocks are pushed ahead, and which are not: the formula of TOCS 2017, 3.2.3, with the repair of
// SOUNDNESS A18. Pure.

/** The paper's prototype: how much the ratio of reads to writes counts beside the reads. */
export const PAPER_K = 1_000;
/** The paper's prototype: the least ratio of reads to writes for which a block is pushed. */
export const PAPER_S = 1;
export const NOT_PUSHED = -1;
/** Levels of quantised priority: half octaves; the highest holds all that is above. */
export const LEVELS = 64;

/** The two knobs of an image, which may change at any time. */
export interface PushRule {
  readonly k: number;
  readonly s: number;
}

/**
 * The ratio F of the formula, for frequencies in events (decayed, see `BlockHeat`). A block that was written is counted as
 * written at least once in the window, however long ago it was: the formula divides by it.
 */
export function ratioOf(reads: number, writes: number): number {
  return reads / Math.max(writes, 1);
}

/** The priority of a block that was written here and is missing there: K F + reads where F >= S, else `NOT_PUSHED`. */
export function priorityOf(reads: number, writes: number, rule: PushRule): number {
  const ratio = ratioOf(reads, writes);
  return ratio >= rule.s ? rule.k * ratio + reads : NOT_PUSHED;
}

/** The priority of a block of a layer that nobody writes: its reads alone; S is for blocks that change. */
export function basePriorityOf(reads: number): number {
  return reads > 0 ? reads : NOT_PUSHED;
}

/** The level of a priority, 0 to `LEVELS` - 1; -1 for what is not pushed. */
export function levelOf(priority: number): number {
  if (priority < 0) return -1;
  return Math.min(LEVELS - 1, Math.floor(2 * Math.log2(1 + priority)));
}
