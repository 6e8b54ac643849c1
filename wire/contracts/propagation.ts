// How an image's blocks get to other places before they are asked for: what a person may set, as it is stored, sent and
// shown. Shapes only; what they mean is in blockd/propagation.
import { Type } from '#typebox';
import { Bytes, Name } from '../names.ts';

const Positive = Type.Integer({ minimum: 1 });
/** Money in the currency of the prices; nothing here converts. */
const Money = Type.Number({ minimum: 0 });

/**
 * Where copies lie: `cloud`: on different nodes of the writer's cloud; `world`: in different clouds, the writer's being
 * one of them.
 */
export const CopyScope = Type.Union([Type.Literal('cloud'), Type.Literal('world')]);
export type CopyScope = Type.Static<typeof CopyScope>;

/** Stores that have data and entries durably, the writer's own included. */
const CopyCount = Type.Integer({ minimum: 2, maximum: 16 });

/** What an answer to a flush means by now, under a policy that wants copies: it goes with the image to every next writer. */
export const CopiesMeant = Type.Object({
  scope: CopyScope,
  /** Of scope `cloud`: which. */
  cloud: Type.Optional(Name),
  count: CopyCount,
  /** Who had everything then, the writer included: they are asked first. */
  nodes: Type.Array(Name),
});
export type CopiesMeant = Type.Static<typeof CopiesMeant>;

const Copies = {
  /** Wanted before the answer. */
  copies: CopyCount,
  scope: CopyScope,
  /** While too few places can be reached: `wait`, or answer with fewer copies and say so (SOUNDNESS A13). */
  whenDegraded: Type.Union([Type.Literal('wait'), Type.Literal('continue')]),
};

/** Of a proactive policy that does not say. */
export const LEAD_SECONDS = 10;
export const LEAD_SECONDS_MAX = 3_600;

/** When blocks go to other places, and what an answer to the guest waits for. */
export const PropagationPolicy = Type.Union([
  /** Nothing ahead: a block crosses when it is read elsewhere. */
  Type.Object({ mode: Type.Literal('on-demand') }),
  /** By priority, as far as the caps allow (TOCS 2017, 3.2.3). */
  Type.Object({
    mode: Type.Literal('proactive'),
    /** How long a migration's memory waits, at most, while blocks go to its destination; `LEAD_SECONDS` unless told. */
    leadSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: LEAD_SECONDS_MAX })),
  }),
  /** A flush (and a FUA write) is answered when there are so many copies. */
  Type.Object({ mode: Type.Literal('sync'), ...Copies }),
  /** Every write is answered only then: the paper's Sync-on-Write. */
  Type.Object({ mode: Type.Literal('sync-write'), ...Copies }),
  /** Sealed layers are shipped in order, so that at most `rpoSeconds` are lost with the writer's disk. */
  Type.Object({ mode: Type.Literal('async'), rpoSeconds: Type.Integer({ minimum: 1, maximum: 86_400 }), place: Name }),
]);
export type PropagationPolicy = Type.Static<typeof PropagationPolicy>;
/** One that wants copies. */
export type CopyPolicy = Extract<PropagationPolicy, { mode: 'sync' | 'sync-write' }>;

/** Snapshots that are made and shipped by the clock, as recovery points at another place. */
export const SnapshotSchedule = Type.Object({
  everySeconds: Type.Integer({ minimum: 60 }),
  place: Name,
  /** The oldest beyond these are removed there. */
  keep: Type.Integer({ minimum: 1, maximum: 1_000 }),
});
export type SnapshotSchedule = Type.Static<typeof SnapshotSchedule>;

/** What traffic from one place to another (clouds, or nodes) costs per decimal GB; a pair without a price costs nothing. */
export const TrafficPrice = Type.Object({ from: Name, to: Name, perGb: Money });
export type TrafficPrice = Type.Static<typeof TrafficPrice>;

/** Everything that can be tuned of an image's propagation while it runs; nulls are "no limit" and "none". */
export const PropagationSettings = Type.Object({
  policy: PropagationPolicy,
  /** The formula's K: how much the ratio of reads to writes counts beside the reads. */
  k: Type.Number({ minimum: 0, maximum: 1e6 }),
  /** The formula's S: the least ratio of reads to writes that is pushed; or found by measuring. */
  s: Type.Union([Type.Number({ minimum: 0, maximum: 1e6 }), Type.Literal('auto')]),
  rateBytesPerSecond: Type.Union([Bytes, Type.Null()]),
  /** In any stretch of so many seconds pushes cost at most the budget. */
  money: Type.Union([Type.Object({ budget: Money, windowSeconds: Positive }), Type.Null()]),
  prices: Type.Array(TrafficPrice, { maxItems: 1_024 }),
  /** Where the VM probably goes, by where it is (clouds, or nodes); learnt from its moves beside that. */
  transitions: Type.Array(Type.Object({ from: Name, to: Name, probability: Type.Number({ minimum: 0, maximum: 1 }) }), {
    maxItems: 1_024,
  }),
  snapshots: Type.Union([SnapshotSchedule, Type.Null()]),
});
export type PropagationSettings = Type.Static<typeof PropagationSettings>;

const Count = Type.Integer({ minimum: 0 });

/** What became of an image's pushes at the node where it is written, since it was opened there; in blocks. */
export const PropagationCounters = Type.Object({
  /** Offered to some place, and what came of that: it is durable there, or not (and may be offered again). */
  offeredBlocks: Count,
  pushedBlocks: Count,
  failedBlocks: Count,
  /** Of what was pushed here before the VM came: read within ten minutes, or not. */
  usefulBlocks: Count,
  wastedBlocks: Count,
  /** What the guest had to wait for in its first minute here. */
  missedBlocks: Count,
});
export type PropagationCounters = Type.Static<typeof PropagationCounters>;

/** A node that blocks are pushed to. */
export const PushDestination = Type.Object({
  node: Name,
  probability: Type.Number(),
  /** Of those blocks that are known to be read or written. */
  missingBlocks: Count,
  /** Whether it hears of this store's table, without which nothing is pushed to it. */
  follows: Type.Boolean(),
  pushedBlocks: Count,
  /** Copies there that were overwritten here. */
  overtakenBlocks: Count,
});

/** How an image's propagation stands at its writer. */
export const PropagationStatus = Type.Object({
  /** In use, found by measuring or given. */
  s: Type.Number(),
  destinations: Type.Array(PushDestination),
  /** The cap that keeps something from being pushed now. */
  paused: Type.Union([Type.Literal('rate'), Type.Literal('money'), Type.Null()]),
  /** Within the money's window. */
  spent: Money,
  counters: PropagationCounters,
});
export type PropagationStatus = Type.Static<typeof PropagationStatus>;

/** How many values of S are compared (`S_GRID` of blockd/propagation/shadow-pushes.ts). */
const S_VALUES = 16;
const PerS = Type.Array(Type.Number({ minimum: 0 }), { minItems: S_VALUES, maxItems: S_VALUES });
const Weight = Type.Number({ minimum: 0 });

/** What the tuning of S knows of an image; travels with it from writer to writer. */
export const TunerState = Type.Object({
  /** Which value of the grid S is. */
  index: Type.Integer({ minimum: 0, maximum: S_VALUES - 1 }),
  /** Per value: blocks that a move would miss in its first minute, and blocks pushed a minute; means of `weight` windows. */
  missed: PerS,
  pushed: PerS,
  weight: Weight,
  /** Real misses by those that were expected. */
  correction: Type.Number({ exclusiveMinimum: 0 }),
  /** How many stays, older ones counting less, and their time together in ms. */
  stays: Type.Number({ exclusiveMinimum: 0 }),
  stayMs: Weight,
  /** What was expected of the last move, in blocks. */
  predicted: Weight,
});
export type TunerState = Type.Static<typeof TunerState>;

/** What an image's propagation has learnt; older moves count less. */
export const PropagationMemory = Type.Object({
  tuner: TunerState,
  moves: Type.Array(Type.Object({ from: Name, to: Name, count: Weight }), { maxItems: 4_096 }),
});
export type PropagationMemory = Type.Static<typeof PropagationMemory>;
