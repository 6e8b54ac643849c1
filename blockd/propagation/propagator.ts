// The propagation of one image at the node that writes it: hears of reads and writes, decides what goes where and when.
// No sockets, no files, no clock: whoever owns it calls `tick` with the time and does what it answers.
import type {
  PropagationMemory,
  PropagationSettings,
  TrafficPrice,
  TunerState,
} from '../../wire/contracts/propagation.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import type { AccessNotes } from './access-notes.ts';
import { BlockHeat } from './block-heat.ts';
import { DEFAULT_SETTINGS } from './default-settings.ts';
import type { PropagationStatus, PropagatorParts, PushOrder } from './propagator-parts.ts';
import { PushAllowance, priceOf, type Refusal } from './push-allowance.ts';
import { PAPER_K, PAPER_S, type PushRule } from './push-priority.ts';
import { PushQueue } from './push-queue.ts';
import { ANNOUNCED, AWAITED, LIKELY, type PushUrgency } from './push-urgency.ts';
import { afterStay, afterWindow, NEW_TUNER, tunedS, WINDOW_MS } from './s-tuner.ts';
import { ShadowPushes } from './shadow-pushes.ts';
import { SlotBits } from './slot-bits.ts';
import { type Destination, drawDestination, TransitionTable } from './transition-table.ts';

/** One push: 256 KiB, as the answers to fetches. */
const RUN_BLOCKS_MAX = 64;
/** Orders of one tick: 32 MiB. */
const ORDERS_MAX = 128;
/** Groups that one tick looks at, per destination: about a millisecond, and 40 s for all of 100 GB. */
const SCAN_GROUPS = 2 ** 13;
/** How much earlier or later than after a minute the next sweep may be. */
const SWEEP_JITTER = 0.25;
/** Places that blocks are pushed to beside one another, each for half a byte per block, and the least that makes a place one. */
const PLACES_MAX = 4;
const PROBABILITY_MIN = 0.05;

interface Pushing {
  readonly queue: PushQueue;
  underWayBytes: number;
  /** No scan before then, unless the queue is short. */
  restsUntilMs: number;
}

/** Made when an image is opened for writing, dropped when it is closed. */
export class Propagator implements AccessNotes {
  readonly heat: BlockHeat;
  readonly #parts: PropagatorParts;
  readonly #table: TransitionTable;
  readonly #allowance = new PushAllowance();
  readonly #pushing = new Map<string, Pushing>();
  /** Written since the last sweep: not pushed before the next one, so that no block is pushed more than once a minute. */
  readonly #fresh = new SlotBits();
  readonly #openedMs: number;
  #shadow: ShadowPushes | undefined;
  /** Those of `#pushing`: an array, since a note must not allocate. */
  #queues: readonly PushQueue[] = [];
  #settings = DEFAULT_SETTINGS;
  #rule: PushRule = { k: PAPER_K, s: PAPER_S };
  #tuner: TunerState;
  #places: readonly string[] = [];
  #prices: readonly TrafficPrice[] = [];
  #destinations: readonly Destination[] = [];
  #announced: string | undefined;
  #urgency = LIKELY;
  #sweepsMs: number;
  #paused: Refusal | undefined;

  constructor(parts: PropagatorParts) {
    this.#parts = parts;
    this.heat = new BlockHeat(parts.blocks, parts.hasData);
    this.#table = new TransitionTable(parts.memory?.moves ?? []);
    this.#tuner = parts.memory?.tuner ?? NEW_TUNER;
    this.#openedMs = parts.nowMs;
    this.#sweepsMs = parts.nowMs + this.#untilSweep();
  }

  /** Changes everything that may be tuned; at any time. */
  configure(settings: PropagationSettings, nowMs: number): void {
    this.#settings = settings;
    const { rateBytesPerSecond, money } = settings;
    const rate = rateBytesPerSecond === null ? {} : { bytesPerSecond: rateBytesPerSecond };
    const spend = money === null ? {} : { money: { budget: money.budget, windowMs: money.windowSeconds * 1_000 } };
    this.#allowance.set({ ...rate, ...spend }, nowMs);
    this.#table.give(settings.transitions);
    this.#setRule();
    this.#choose();
  }

  /** The places that can be reached, and what traffic between places costs. */
  setPlaces(places: readonly string[], prices: readonly TrafficPrice[]): void {
    this.#places = places;
    this.#prices = prices;
    this.#choose();
  }

  /** A migration to the place begins: all goes there and at once, until it is said to be off (undefined). */
  announce(place: string | undefined): void {
    this.#announced = place;
    this.#setUrgency(place === undefined ? LIKELY : ANNOUNCED);
    this.#choose();
  }

  /** The announced place is waited for with the memory, or not any more. */
  setAwaited(isAwaited: boolean): void {
    if (this.#announced !== undefined) this.#setUrgency(isAwaited ? AWAITED : ANNOUNCED);
  }

  noteRead(first: number, count: number): void {
    for (let block = first; block < first + count; block++) {
      const slot = this.heat.addRead(block);
      if (slot >= 0) this.#shadow?.read(block, slot);
    }
  }

  noteWrite(first: number, count: number): void {
    for (let block = first; block < first + count; block++) {
      const slot = this.heat.addWrite(block);
      this.#fresh.set(slot);
      this.#shadow?.written(block, slot);
      for (let at = 0; at < this.#queues.length; at++) this.#queues[at]?.written(block, slot);
    }
  }

  noteZero(first: number, count: number): void {
    const { index } = this.heat;
    for (let block = first; block < first + count; block++) {
      block = Math.max(block, index.nextGroup(block));
      if (block >= first + count) return;
      const slot = index.slotOf(block);
      this.#shadow?.zeroed(block, slot);
      for (const queue of this.#queues) queue.written(block, slot, true);
    }
  }

  /** What is to be sent now; meant to be called ten times a second. */
  tick(nowMs: number): PushOrder[] {
    this.heat.setTime(nowMs - this.#openedMs);
    if (nowMs >= this.#sweepsMs) this.#sweep(nowMs);
    this.#paused = undefined;
    for (const pushing of this.#pushing.values()) this.#scan(pushing, nowMs);
    const orders: PushOrder[] = [];
    let open = this.#destinations.filter(({ place }) => this.#isOpen(place));
    while (open.length > 0 && orders.length < ORDERS_MAX) {
      const place = drawDestination(open, this.#parts.random())?.place ?? '';
      const order = this.#order(place, nowMs);
      if (order === undefined) open = open.filter((one) => one.place !== place);
      else orders.push(order);
    }
    return orders;
  }

  /** Whether the next tick may find something to push, before a rest is over. */
  isBusy(nowMs: number): boolean {
    return this.#destinations.some(({ place }) => {
      const pushing = this.#pushing.get(place);
      if (pushing === undefined || !this.#isOpen(place)) return false;
      return pushing.queue.hasCandidates || pushing.queue.isShort || nowMs >= pushing.restsUntilMs;
    });
  }

  /** An order came to its end: confirmed durable by the destination, or not. */
  settled(order: PushOrder, isHeld: boolean): void {
    const pushing = this.#pushing.get(order.place);
    if (pushing === undefined) return;
    pushing.underWayBytes = Math.max(0, pushing.underWayBytes - order.count * BLOCK_BYTES);
    if (!isHeld) pushing.queue.failed(order);
  }

  get memory(): PropagationMemory {
    return { tuner: this.#tuner, moves: this.#table.learnt() };
  }

  /** What travels with the VM that may leave for a place; `stayedMs`: how long it was here. Nothing is learnt here. */
  memoryFor(place: string, stayedMs: number): PropagationMemory {
    return { tuner: afterStay(this.#tuner, stayedMs), moves: this.#table.learntWith(this.#parts.place, place) };
  }

  /** Replaces what the tuning knows: after the first minute here (`afterFirstMinute`). */
  correct(change: (tuner: TunerState) => TunerState): void {
    this.#tuner = change(this.#tuner);
  }

  status(nowMs: number): PropagationStatus {
    const destinations = this.#destinations.flatMap((one) => {
      const pushing = this.#pushing.get(one.place);
      if (pushing === undefined) return [];
      return [{ ...one, missingBlocks: pushing.queue.missingBlocks, counts: { ...pushing.queue.counts } }];
    });
    return { s: this.#rule.s, destinations, paused: this.#paused, spent: this.#allowance.spent(nowMs) };
  }

  /** Blocks that are missing at a place, of those that are known to be read or written; undefined while it takes none. */
  missingAt(place: string): number | undefined {
    return this.#parts.mayTake?.(place) === false ? undefined : this.#pushing.get(place)?.queue.missingBlocks;
  }

  /** Whether something is missing at a place that can take it. */
  #isOpen(place: string): boolean {
    return (this.missingAt(place) ?? 0) > 0;
  }

  readonly #isReady = (slot: number): boolean => this.#urgency.takesFresh || !this.#fresh.has(slot);

  #scan(pushing: Pushing, nowMs: number): void {
    const { queue } = pushing;
    if (!queue.hasMore || (nowMs < pushing.restsUntilMs && !queue.isShort)) return;
    if (queue.scan(this.#rule, this.#isReady, SCAN_GROUPS)) pushing.restsUntilMs = nowMs + this.#urgency.restMs;
  }

  /** What was found is of another rule. */
  #reorder(): void {
    for (const pushing of this.#pushing.values()) {
      pushing.queue.reorder();
      pushing.restsUntilMs = 0;
    }
  }

  #order(place: string, nowMs: number): PushOrder | undefined {
    const pushing = this.#pushing.get(place);
    if (pushing === undefined || pushing.underWayBytes >= this.#urgency.underWayBytesMax) return undefined;
    const price = priceOf(this.#prices, this.#parts.place, place);
    const refusal = this.#allowance.refusal(RUN_BLOCKS_MAX * BLOCK_BYTES, price, nowMs);
    this.#paused ??= refusal;
    if (refusal !== undefined) return undefined;
    const run = pushing.queue.take(this.#rule, this.#isReady, RUN_BLOCKS_MAX);
    if (run === undefined) return undefined;
    this.#allowance.took(run.count * BLOCK_BYTES, price, nowMs);
    pushing.underWayBytes += run.count * BLOCK_BYTES;
    return { place, ...run };
  }

  /** A minute in the mean, never in step with what the guest does by the minute. */
  #untilSweep(): number {
    return WINDOW_MS * (1 + SWEEP_JITTER * (2 * this.#parts.random() - 1));
  }

  #sweep(nowMs: number): void {
    this.#sweepsMs = nowMs + this.#untilSweep();
    this.#fresh.clearAll();
    for (const pushing of this.#pushing.values()) pushing.restsUntilMs = 0;
    if (this.#shadow === undefined) return;
    this.#tuner = afterWindow(this.#tuner, this.#shadow.sweep(), nowMs - this.#openedMs);
    this.#setRule();
  }

  #setUrgency(urgency: PushUrgency): void {
    this.#urgency = urgency;
    this.#setRule();
  }

  #setRule(): void {
    const { k, s } = this.#settings;
    const least = s === 'auto' ? tunedS(this.#tuner) : s;
    const rule = { k, s: this.#urgency.obeysS ? least : 0 };
    if (rule.k === this.#rule.k && rule.s === this.#rule.s) return;
    this.#rule = rule;
    this.#reorder();
  }

  /** Where blocks go now; a place that is chosen begins a queue, one that is no longer ends it. */
  #choose(): void {
    const likely = this.#table.destinations(this.#parts.place, this.#places);
    const [first] = likely;
    if (first !== undefined) this.#shadow ??= this.#shadowOf(first.place);
    const chosen = likely.slice(0, PLACES_MAX).filter(({ probability }) => probability >= PROBABILITY_MIN);
    const announced = this.#announced === undefined ? undefined : { place: this.#announced, probability: 1 };
    const isOff = this.#settings.policy.mode === 'on-demand';
    this.#destinations = isOff ? [] : announced === undefined ? chosen : [announced];
    const kept = new Set([...(isOff ? [] : chosen), ...this.#destinations].map(({ place }) => place));
    for (const place of this.#pushing.keys()) if (!kept.has(place)) this.#pushing.delete(place);
    for (const place of kept) if (!this.#pushing.has(place)) this.#pushing.set(place, this.#beginQueue(place));
    this.#queues = Array.from(this.#pushing.values(), ({ queue }) => queue);
    this.#reorder();
  }

  #beginQueue(place: string): Pushing {
    const { hasData, isHeld } = this.#parts;
    const queue = new PushQueue({ heat: this.heat, hasData, isHeld: (block) => isHeld(place, block) });
    return { queue, underWayBytes: 0, restsUntilMs: 0 };
  }

  #shadowOf(place: string): ShadowPushes {
    const { hasData, isHeld } = this.#parts;
    return new ShadowPushes(this.heat, (block) => !hasData(block) || isHeld(place, block));
  }
}
