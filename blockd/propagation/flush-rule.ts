// What a policy means: which stores must have something before the guest hears that it is safe, and what is pushed when.
// Pure decisions over what is known of other stores (SOUNDNESS A13; TOCS 2017, 3.2.1 and 3.2.3).
import type { CopyPolicy, PropagationPolicy } from '../../wire/contracts/propagation.ts';

/** Another member's store, as this one knows it. */
export interface StoreView {
  readonly node: string;
  readonly cloud: string;
  readonly isReachable: boolean;
  /** Everything up to this sequence is durable there, data and entries, as it has confirmed. */
  readonly durableSequence: number;
  readonly roundTripMs: number;
}

/** The writer's own place. */
export interface WriterView {
  readonly node: string;
  readonly cloud: string;
}

/**
 * What the guest may hear of a barrier at a sequence that is durable here. `safeOn`: how many copies there are, in the
 * policy's own count. `degraded`: fewer than asked for, answered since the policy says so; it is an event.
 */
export type FlushAnswer =
  | { readonly kind: 'answer' | 'degraded'; readonly safeOn: number }
  | { readonly kind: 'wait'; readonly safeOn: number; readonly forNodes: readonly string[] };

/** Which requests wait for other stores. A FUA write counts as a flush. */
export function waitsAt(policy: PropagationPolicy): 'nothing' | 'flush' | 'write' {
  if (policy.mode === 'sync') return 'flush';
  return policy.mode === 'sync-write' ? 'write' : 'nothing';
}

/** What is sent without being asked for, to whom it belongs by the policy alone. */
export type PushPlan =
  | { readonly kind: 'nothing' }
  /** By priority to drawn destinations. */
  | { readonly kind: 'by-priority' }
  /** Every change at once, data and entries, to these nodes; by priority to announced destinations besides. */
  | { readonly kind: 'everything'; readonly nodes: readonly string[] }
  /** Sealed layers in order, to this place; by priority besides. */
  | { readonly kind: 'sealed'; readonly place: string };

/** What is pushed under the policy. An announced migration adds its destination by priority, but for `on-demand`. */
export function pushPlan(policy: PropagationPolicy, writer: WriterView, stores: readonly StoreView[]): PushPlan {
  switch (policy.mode) {
    case 'on-demand':
      return { kind: 'nothing' };
    case 'proactive':
      return { kind: 'by-priority' };
    case 'async':
      return { kind: 'sealed', place: policy.place };
    case 'sync':
    case 'sync-write':
      return { kind: 'everything', nodes: copyTargets(policy, writer, stores).map(({ node }) => node) };
  }
}

/** Whether a flush (or write) up to a sequence may be answered. */
export function flushAnswer(
  policy: PropagationPolicy,
  writer: WriterView,
  stores: readonly StoreView[],
  sequence: number,
): FlushAnswer {
  if (policy.mode !== 'sync' && policy.mode !== 'sync-write') return { kind: 'answer', safeOn: 1 };
  const eligible = eligibleStores(policy, writer, stores);
  const safe = safeStores(policy, writer, stores, sequence);
  const safeOn = 1 + separate(policy, safe);
  if (safeOn >= policy.copies) return { kind: 'answer', safeOn };
  const late = eligible.filter((store) => store.isReachable && store.durableSequence < sequence);
  const useful = late.filter((store) => separate(policy, [...safe, store]) > separate(policy, safe));
  if (policy.whenDegraded === 'continue' && useful.length === 0) return { kind: 'degraded', safeOn };
  const waitedFor = policy.whenDegraded === 'continue' ? useful : eligible.filter((store) => !safe.includes(store));
  return { kind: 'wait', safeOn, forNodes: waitedFor.map(({ node }) => node) };
}

/** The stores that everything goes to: the nearest that can be reached and lie apart, one fewer than the copies. */
export function copyTargets(policy: CopyPolicy, writer: WriterView, stores: readonly StoreView[]): StoreView[] {
  const nearest = eligibleStores(policy, writer, stores)
    .filter(({ isReachable }) => isReachable)
    .sort((one, other) => one.roundTripMs - other.roundTripMs || (one.node < other.node ? -1 : 1));
  const chosen: StoreView[] = [];
  for (const store of nearest) {
    if (chosen.length === policy.copies - 1) break;
    if (separate(policy, [...chosen, store]) > chosen.length) chosen.push(store);
  }
  return chosen;
}

/** Those that count and have everything up to the sequence. */
export function safeStores(
  policy: CopyPolicy,
  writer: WriterView,
  stores: readonly StoreView[],
  sequence: number,
): StoreView[] {
  return eligibleStores(policy, writer, stores).filter(({ durableSequence }) => durableSequence >= sequence);
}

/** Stores that may count at all: never the writer's own, which is counted already. */
function eligibleStores({ scope }: CopyPolicy, writer: WriterView, stores: readonly StoreView[]): StoreView[] {
  return stores.filter(({ node, cloud }) => node !== writer.node && (scope === 'cloud') === (cloud === writer.cloud));
}

/** How many copies these are: nodes within a cloud, clouds in the world. */
function separate({ scope }: CopyPolicy, stores: readonly StoreView[]): number {
  return new Set(stores.map(({ node, cloud }) => (scope === 'cloud' ? node : cloud))).size;
}
