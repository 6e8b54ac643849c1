// How much of a port may come to the controller. A port that sends more is cut off for a second at its switch, so that the
// others are not hurt. A token bucket for each port.
import type { MeshPort } from './mesh-switch.ts';

/** Of a second's allowance a port may use so many at once. */
const BURST_SEC = 2;

export class MissLimit {
  readonly perSecond: number;

  constructor(perSecond: number) {
    this.perSecond = perSecond;
  }

  get burst(): number {
    return this.perSecond * BURST_SEC;
  }

  /** Takes so much from the port's allowance; false when there is not so much. */
  take(port: MeshPort, cost: number, nowMs: number): boolean {
    const earned = ((nowMs - port.allowanceAtMs) * this.perSecond) / 1_000;
    port.allowanceAtMs = nowMs;
    port.allowance = Math.min(this.burst, port.allowance + earned) - cost;
    if (port.allowance >= 0) return true;
    port.allowance += cost;
    return false;
  }
}
