// What a node's block daemon counted since its start, for people and for whoever collects it. Shapes only.
import { Type } from '#typebox';
import { Bytes, Name } from '../names.ts';
import { PropagationCounters } from './propagation.ts';
import { TopologyLink } from './topology.ts';
import { NetworkFigures } from './traffic.ts';

const Count = Type.Integer({ minimum: 0 });

/** Upper ends of the buckets of a fetch's time, in ms; one more bucket has what took longer. */
export const FETCH_BUCKETS_MS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
const BUCKETS = { minItems: FETCH_BUCKETS_MS.length + 1, maxItems: FETCH_BUCKETS_MS.length + 1 };

/** Times in buckets: `counts[i]` took at most FETCH_BUCKETS_MS[i], and longer than the bucket before it allows. */
const TimeCounts = Type.Object({ counts: Type.Array(Count, BUCKETS), sumMs: Type.Number({ minimum: 0 }) });
export type TimeCounts = Type.Static<typeof TimeCounts>;

/**
 * What bytes crossed for, as this node sees it: fetched because a client waited (`demand`), because nobody did
 * (`background`: the pull, and seeding) or because the writer offered it (`pushed`); given to others for their reasons
 * (`served`); version entries in either direction (`table`).
 */
const TrafficCause = Type.Union([
  Type.Literal('demand'),
  Type.Literal('background'),
  Type.Literal('pushed'),
  Type.Literal('served'),
  Type.Literal('table'),
]);
export type TrafficCause = Type.Static<typeof TrafficCause>;

/** What clients asked for. */
const RequestMetrics = {
  /** Reads for which everything was here, and reads that had to wait for another node. */
  hits: Count,
  misses: Count,
  writes: Count,
  flushes: Count,
  /** From the moment that a client had to wait for another node until its blocks were here. */
  fetchTime: TimeCounts,
  propagation: PropagationCounters,
};

/** What went on below: of layers, which several images may share. Blocks are of 4 KiB. */
const LayerMetrics = {
  /** Asked of other nodes and not here yet. */
  queuedBlocks: Count,
  fetchedOnDemandBlocks: Count,
  fetchedInBackgroundBlocks: Count,
  /** Came because their writer offered them. */
  pushedHereBlocks: Count,
  spoiltBlocks: Count,
  /** Bytes of frames to and from one other node, TLS records not counted. */
  traffic: Type.Array(Type.Object({ peer: Name, cause: TrafficCause, bytesIn: Bytes, bytesOut: Bytes })),
};

export const BlockMetrics = Type.Object({ ...RequestMetrics, ...LayerMetrics });
export type BlockMetrics = Type.Static<typeof BlockMetrics>;

/** One node's. Images on one layer each count what went on in it; `all` counts it once, and layers of no image too. */
export const StoreMetrics = Type.Object({
  images: Type.Array(Type.Object({ image: Name, metrics: BlockMetrics })),
  all: BlockMetrics,
});
export type StoreMetrics = Type.Static<typeof StoreMetrics>;

/** The nodes that could be asked. `members`: in which cloud a peer is, so that what crossed a WAN is told apart. */
export const ClusterMetrics = Type.Object({
  nodes: Type.Array(Type.Object({ node: Name, metrics: StoreMetrics })),
  members: Type.Array(Type.Object({ node: Name, cloud: Name })),
  unreachable: Type.Array(Name),
  /** Between the nodes, as last told by the overlay's controller. */
  links: Type.Optional(Type.Array(TopologyLink)),
  /** Absent: the overlay's controller does not answer, or there is none. */
  network: Type.Optional(NetworkFigures),
  /** Of images under `async`: what would be lost with their writers' disks, in ms; null before their first point. */
  recovery: Type.Optional(
    Type.Array(Type.Object({ image: Name, rpoSeconds: Count, lostMs: Type.Union([Type.Number(), Type.Null()]) })),
  ),
});
export type ClusterMetrics = Type.Static<typeof ClusterMetrics>;
