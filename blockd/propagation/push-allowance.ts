// How much may be pushed: bytes per second of a link, and money per window for traffic that a provider charges. Two
// limits that are asked together; the one that refuses is named. Pure: the time is handed in.
import type { TrafficPrice } from '../../wire/contracts/propagation.ts';

/** What an idle pusher may send at once, in ms of its rate. */
const BURST_MS = 200;
/** Parts of the money's window: what was spent is forgotten a part at a time, never early. */
const WINDOW_PARTS = 96;
/** Traffic is sold by the decimal GB. */
const GB = 1e9;

/** Why nothing may be pushed now, and how long that lasts at least. */
export interface Refusal {
  readonly cap: 'rate' | 'money';
  readonly waitMs: number;
}

export interface AllowanceLimits {
  /** Undefined: as fast as the link takes it; 0: nothing. */
  readonly bytesPerSecond?: number;
  /** In any stretch of `windowMs`, over all destinations of the image, at most `budget` (in the prices' currency). */
  readonly money?: { readonly budget: number; readonly windowMs: number };
}

/** A token bucket of bytes. */
class RateBucket {
  #bytesPerMs = Number.POSITIVE_INFINITY;
  #credit = 0;
  #creditedMs = 0;

  set(bytesPerSecond: number | undefined, nowMs: number): void {
    this.#bytesPerMs = bytesPerSecond === undefined ? Number.POSITIVE_INFINITY : bytesPerSecond / 1000;
    this.#credit = 0;
    this.#creditedMs = nowMs;
  }

  /** How long until something may go; 0 is now. A push may overdraw: the next one waits for it. */
  waitMs(nowMs: number): number {
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return 0;
    if (this.#bytesPerMs === 0) return Number.POSITIVE_INFINITY;
    const earned = Math.max(0, nowMs - this.#creditedMs) * this.#bytesPerMs;
    this.#credit = Math.min(this.#credit + earned, BURST_MS * this.#bytesPerMs);
    this.#creditedMs = nowMs;
    return this.#credit > 0 ? 0 : Math.ceil(1 - this.#credit / this.#bytesPerMs);
  }

  take(bytes: number): void {
    if (this.#bytesPerMs !== Number.POSITIVE_INFINITY) this.#credit -= bytes;
  }
}

/** What was spent within a sliding window. A plain token bucket would let twice the budget go within one window. */
class SpendWindow {
  readonly #parts = new Float64Array(WINDOW_PARTS + 1);
  #partMs = 1;
  #part = 0;

  set(windowMs: number, nowMs: number): void {
    const spent = this.spent(nowMs);
    this.#partMs = windowMs / WINDOW_PARTS;
    this.#part = Math.floor(nowMs / this.#partMs);
    this.#parts.fill(0);
    this.add(spent, nowMs);
  }

  spent(nowMs: number): number {
    this.#slide(nowMs);
    return this.#parts.reduce((sum, one) => sum + one, 0);
  }

  add(amount: number, nowMs: number): void {
    this.#slide(nowMs);
    const at = this.#part % this.#parts.length;
    this.#parts[at] = (this.#parts[at] ?? 0) + amount;
  }

  /** How long until so much of what was spent has left the window. */
  waitMs(amount: number, nowMs: number): number {
    this.#slide(nowMs);
    let left = 0;
    for (let age = WINDOW_PARTS; age >= 0; age--) {
      left += this.#parts[(this.#part + this.#parts.length - age) % this.#parts.length] ?? 0;
      if (left >= amount) return (this.#part - age + this.#parts.length) * this.#partMs - nowMs;
    }
    return Number.POSITIVE_INFINITY;
  }

  #slide(nowMs: number): void {
    const part = Math.floor(nowMs / this.#partMs);
    const steps = Math.min(this.#parts.length, part - this.#part);
    for (let step = 1; step <= steps; step++) this.#parts[(this.#part + step) % this.#parts.length] = 0;
    if (steps > 0) this.#part = part;
  }
}

/** The limits of one image's pushes. */
export class PushAllowance {
  readonly #rate = new RateBucket();
  readonly #spend = new SpendWindow();
  #limits: AllowanceLimits = {};

  /** What was spent stays spent under new limits. */
  set(limits: AllowanceLimits, nowMs: number): void {
    if (limits.bytesPerSecond !== this.#limits.bytesPerSecond) this.#rate.set(limits.bytesPerSecond, nowMs);
    if (limits.money !== undefined && limits.money.windowMs !== this.#limits.money?.windowMs)
      this.#spend.set(limits.money.windowMs, nowMs);
    this.#limits = limits;
  }

  /** Spent within the money's window. */
  spent(nowMs: number): number {
    return this.#spend.spent(nowMs);
  }

  /** Whether so many bytes may go at a price per GB; asked before each push, told after it by `took`. */
  refusal(bytes: number, pricePerGb: number, nowMs: number): Refusal | undefined {
    const { money } = this.#limits;
    if (money !== undefined && pricePerGb > 0) {
      const over = this.#spend.spent(nowMs) + costOf(bytes, pricePerGb) - money.budget;
      if (over > 0) return { cap: 'money', waitMs: this.#spend.waitMs(over, nowMs) };
    }
    const waitMs = this.#rate.waitMs(nowMs);
    return waitMs > 0 ? { cap: 'rate', waitMs } : undefined;
  }

  took(bytes: number, pricePerGb: number, nowMs: number): void {
    this.#rate.take(bytes);
    if (this.#limits.money !== undefined) this.#spend.add(costOf(bytes, pricePerGb), nowMs);
  }
}

/** What traffic from a place to another costs per GB. */
export function priceOf(prices: readonly TrafficPrice[], from: string, to: string): number {
  return prices.find((price) => price.from === from && price.to === to)?.perGb ?? 0;
}

function costOf(bytes: number, pricePerGb: number): number {
  return (bytes / GB) * pricePerGb;
}
