// When a layer has to be sealed and shipped so that a promise about time holds: `async --rpo` (SOUNDNESS A10). Pure
// decisions; sealing and shipping are others' work.

/** A layer is sealed early by so much of the RPO beside the time that the last one took to ship. */
const MARGIN = 0.1;

/** What is known of an image's recovery points; all times in ms of one clock. */
export interface RecoveryView {
  readonly rpoMs: number;
  /** The moment of the newest point that has wholly arrived elsewhere; undefined before the first. */
  readonly safeAtMs: number | undefined;
  /** A layer that was sealed is on its way. */
  readonly isShipping: boolean;
  /** How long the last one took from its sealing to its arrival. */
  readonly lastShipMs: number;
}

export interface RecoveryStep {
  /** Seal a layer now, and ship it. */
  readonly seal: boolean;
  /** More than the RPO would be lost: an event, and shown until it is over. */
  readonly isLate: boolean;
}

/**
 * One layer is shipped at a time. What is lost is the age of the newest point that has arrived, most of all just before
 * the next one arrives: so that is sealed as much earlier than the RPO as shipping takes. An RPO shorter than twice that
 * cannot be kept.
 */
export function recoveryStep({ rpoMs, safeAtMs, isShipping, lastShipMs }: RecoveryView, nowMs: number): RecoveryStep {
  if (safeAtMs === undefined) return { seal: !isShipping, isLate: true };
  const spareMs = Math.max(0, rpoMs * (1 - MARGIN) - lastShipMs);
  return { seal: !isShipping && nowMs >= safeAtMs + spareMs, isLate: nowMs - safeAtMs > rpoMs };
}
