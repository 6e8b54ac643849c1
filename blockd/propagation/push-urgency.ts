// How eagerly blocks go to another place, by what is known of the move there. Facts only.

export interface PushUrgency {
  /** To one place and not settled. An offer is settled after two round trips and a flush there. */
  readonly underWayBytesMax: number;
  /** Between two rounds of a scan. */
  readonly restMs: number;
  /** Whether what was written since the last sweep may go too. */
  readonly takesFresh: boolean;
  /** Whether the formula's S keeps back what was hardly read. */
  readonly obeysS: boolean;
}

/** A move is only likely: no block goes more than once a minute. Some 5 MB/s at 75 ms. */
export const LIKELY: PushUrgency = { underWayBytesMax: 2 * 2 ** 20, restMs: 10_000, takesFresh: false, obeysS: true };
/** A migration is under way, and its memory has the link. */
export const ANNOUNCED: PushUrgency = { ...LIKELY, restMs: 1_000, takesFresh: true };
/**
 * The memory waits for the blocks. All of them go, in the order of their priority: what is not pushed is pulled after the
 * move, when a guest waits for it. Fills 200 Mbit/s at 150 ms.
 */
export const AWAITED: PushUrgency = { ...ANNOUNCED, underWayBytesMax: 12 * 2 ** 20, obeysS: false };
