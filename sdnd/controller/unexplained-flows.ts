// Entries of a switch that nobody wants and nobody explains: a controller whose store is empty, or older than the switch, must not
// take a running cloud's flows away. It may take those that it wanted itself, and those of an earlier life of it whose guest is
// known to have moved on (SOUNDNESS C4). Pure.
import { type Flow, flowKey } from '../flow.ts';
import type { FlowDiff } from '../flow-diff.ts';

/** A plan that takes out more than this share of a switch's flows, for no reason known here, waits. */
const SHARE_MAX = 0.2;
/** ... but a few flows are always taken out: on a small switch one stray flow may be a fifth. */
const ALWAYS = 4;
const WAIT_MS = 10 * 60_000;

/** What is known of flows that are not wanted. */
export interface Explanations {
  /** Tells of a flow whether it is of the past of a guest that is known. */
  readonly past: () => (flow: Flow) => boolean;
  /** Whether it may be wanted yet: of whose it is will be told. */
  readonly awaits: (flow: Flow) => boolean;
}

/** What may be done now, and which entries stay for the time being. */
export interface Allowed {
  readonly plan: FlowDiff;
  readonly kept: readonly Flow[];
  /** They are so many that something may be wrong here. */
  readonly isMuch: boolean;
}

export class UnexplainedFlows {
  /** Entries that were wanted in this life, are no more, and may still be there. */
  readonly #onceWanted = new Set<string>();
  /**
   * Entries that are wanted only since the switch is away. It has none of them from here, so they are not remembered when they
   * go: of a switch that never returns no more is than it was to have when it left, however much comes and goes meanwhile.
   */
  readonly #neverSent = new Set<string>();
  #sinceMs: number | undefined;

  /** Some entries were wanted until now, others are: taking one of the former out is explained. */
  wantsOthers(before: ReadonlyMap<string, Flow>, now: ReadonlyMap<string, Flow>, isAway: boolean): void {
    for (const key of before.keys()) if (!now.has(key) && !this.#neverSent.delete(key)) this.#onceWanted.add(key);
    if (!isAway) return;
    for (const key of now.keys()) if (!before.has(key) && !this.#onceWanted.has(key)) this.#neverSent.add(key);
  }

  /** All that a switch has was read; what is missing is sent now. */
  read(wanted: ReadonlyMap<string, Flow>, installed: ReadonlyMap<string, Flow>): void {
    this.#neverSent.clear();
    for (const key of this.#onceWanted) if (wanted.has(key) || !installed.has(key)) this.#onceWanted.delete(key);
  }

  allow(diff: FlowDiff, installed: number, { past, awaits }: Explanations, nowMs: number): Allowed {
    const strange = diff.removals.filter((flow) => !this.#onceWanted.has(flowKey(flow)));
    const isPast = strange.length === 0 ? () => true : past();
    const unknown = strange.filter((flow) => !isPast(flow));
    const isMuch = unknown.length > Math.max(ALWAYS, installed * SHARE_MAX);
    // Guests are told one after the other: those of the last few must not go before it is their turn.
    const kept = new Set(isMuch ? unknown : unknown.filter(awaits));
    this.#sinceMs = kept.size === 0 ? undefined : (this.#sinceMs ?? nowMs);
    if (this.#sinceMs === undefined || nowMs - this.#sinceMs >= WAIT_MS) return { plan: diff, kept: [], isMuch: false };
    const removals = diff.removals.filter((flow) => !kept.has(flow));
    return { plan: { puts: diff.puts, removals }, kept: [...kept], isMuch };
  }
}
