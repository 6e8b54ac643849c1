// When a layer has to be sealed and shipped so that a promise about time holds: `async --rpo` (SOUNDNESS A10). Pure
// decisions; sealing and shipping are others' work.
/** A layer is sealed early by so much of the RPO beside the time that the last one took to ship. */
const MARGIN = 0.1;

/** What is known of an image's recovery points; all times in ms of one monotonic clock. */
export interface RecoveryView {
  readonly rpoMs: number;
  /** The moment of the newest point that has wholly arrived elsewhere; undefined before the first. */
  readonly safeAtMs: number | undefined;
  /** The moment of the layer that was sealed last and is on its way; undefined when none is. */
  readonly shippingSinceMs: number | undefined;
  /** How long the last one took from its sealing to its arrival. */
  readonly lastShipMs: number;
}

export interface RecoveryStep {
  /** Seal a layer now, and ship it. */
  readonly seal: boolean;
  /** What would be lost with the disk now, in ms of writes; infinite before the first point. */
  readonly lostMs: number;
  /** More than the RPO would be lost: an event, and shown until it is over. */
  readonly isLate: boolean;
  /** When to ask again, at the latest. */
  readonly againMs: number;
}

/**
 * One layer is shipped at a time. What is lost is the age of the newest point that has arrived, most of all just before
 * the next one arrives: so that is sealed as much earlier than the RPO as shipping takes. An RPO shorter than twice that
 * cannot be kept.
 */
export function recoveryStep(view: RecoveryView, nowMs: number): RecoveryStep {
  const lostMs = view.safeAtMs === undefined ? Number.POSITIVE_INFINITY : nowMs - view.safeAtMs;
  const isLate = lostMs > view.rpoMs;
  if (view.shippingSinceMs !== undefined) return { seal: false, lostMs, isLate, againMs: nowMs + view.rpoMs * MARGIN };
  const spareMs = Math.max(0, view.rpoMs * (1 - MARGIN) - view.lastShipMs);
  const dueMs = view.safeAtMs === undefined ? nowMs : view.safeAtMs + spareMs;
  return { seal: nowMs >= dueMs, lostMs, isLate, againMs: Math.max(nowMs, dueMs) };
}
