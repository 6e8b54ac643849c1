// What the lab and the WAN emulator's process say to each other: one JSON object a line, each order answered by its id.
import type { Lateness, LinkStatistics } from './fabric.ts';
import type { LinkSettings } from './link.ts';

/** An order to the emulator; ports are numbers, in the order of the devices it was started with. */
export type Order =
  | {
      readonly id: number;
      readonly order: 'set';
      readonly from: number;
      readonly to: number;
      readonly change: Partial<LinkSettings>;
    }
  | { readonly id: number; readonly order: 'report' | 'reset-lateness' };

/** The emulator's figures since its start (lateness: since the last reset). */
export interface WanReport extends Lateness {
  readonly links: readonly LinkStatistics[];
  /** Frames lost in the emulator itself; a WAN figure taken while this grew is void. */
  readonly overruns: number;
  readonly cpuMs: number;
  /** False: the machine allowed no real-time priority, expect lateness under load. */
  readonly realTime: boolean;
}

/** An answer; its id 0 says that the emulator forwards. */
export interface Answer {
  readonly id: number;
  readonly report?: WanReport;
}

/** Smallest and largest value of each setting; 1,000 Mbit/s is far beyond what this emulator moves in time. */
export const LINK_LIMITS = {
  delayMs: [0, 10_000],
  rateMbit: [0.001, 1_000],
  queueBytes: [0, 2 ** 30],
  lossPercent: [0, 100],
} as const;

/** Reads an order. Throws `RangeError` that names the field and the limit. */
export function decodeOrder(value: unknown): Order {
  const order = value as Order;
  if (order.order === 'set') checkSettings(order.change);
  else if (order.order !== 'report' && order.order !== 'reset-lateness')
    throw new RangeError('no such order to the WAN');
  return order;
}

/** Throws `RangeError` if a setting is out of its limits. */
export function checkSettings(change: Partial<LinkSettings>): void {
  for (const [key, [least, most]] of Object.entries(LINK_LIMITS)) {
    const value = change[key as keyof typeof LINK_LIMITS];
    if (value === undefined || (value >= least && value <= most)) continue;
    throw new RangeError(`WAN link: ${key} is ${value}, must be ${least} to ${most}`);
  }
}
