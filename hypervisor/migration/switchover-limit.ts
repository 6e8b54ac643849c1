// How long the last pass over a guest's memory may take, as a function of the passes so far. A guest that dirties its
// hot pages faster than the link carries them would otherwise be sent for ever.

/** Passes that get the limit as it was ordered: a quiet guest needs three or four. */
const PATIENT_PASSES = 4;
/** From then on the limit grows by half every so many passes: each costs a tenth of a second or so. */
const PASSES_PER_STEP = 2;
const GROWTH = 1.5;
/** Never more: a second's hold is what users notice and TCP begins to back off at (TOCS 2017, 2.2.1). */
const LIMIT_MAX_MS = 500;

/** The limit in ms for a migration that was ordered with `orderedMs` and is in its `passCount`-th pass. */
export function downtimeLimitMs(orderedMs: number, passCount: number): number {
  const steps = Math.floor(Math.max(0, passCount - PATIENT_PASSES) / PASSES_PER_STEP);
  return Math.max(orderedMs, Math.min(LIMIT_MAX_MS, Math.round(orderedMs * GROWTH ** steps)));
}
