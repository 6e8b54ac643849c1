// The catalogue made again from what the stores say, when it was lost or put back as it was once (SOUNDNESS A17). Shapes only.
import { Type } from '#typebox';
import { Epoch, LayerId, MigrationId, Name } from '../names.ts';
import { KeptRecords } from './store-report.ts';

/**
 * `plan` changes nothing. `execute` makes the records. `reconcile` settles what is in doubt and can be settled by what the
 * stores say by now, and touches nothing else.
 */
export const RebuildMode = Type.Union([Type.Literal('plan'), Type.Literal('execute'), Type.Literal('reconcile')]);
export type RebuildMode = Type.Static<typeof RebuildMode>;

/** What the catalogue is rebuilt from, beside the stores that it has heard. */
export const RebuildOrder = Type.Object({
  mode: RebuildMode,
  /** The stores that have just been heard; every other member is away. */
  answered: Type.Array(Name),
  members: Type.Array(Name),
  /** The newest copy of the records that a store keeps. */
  kept: Type.Union([KeptRecords, Type.Null()]),
  /** Migrations that are under way, each with the images of its VM. */
  migrations: Type.Array(Type.Object({ migration: MigrationId, from: Name, to: Name, images: Type.Array(Name) })),
  /** Images that a person takes as they are, though they may not be the newest. */
  accept: Type.Array(Name),
});
export type RebuildOrder = Type.Static<typeof RebuildOrder>;

/**
 * `open`: it stays with its writer. `closed`: as it was closed last. `uncertain`: the newest state may be elsewhere; nobody
 * opens it until that is settled. `known`: the catalogue has it and nothing contradicts. `conflict`: the stores contradict
 * what the catalogue has.
 */
export const RebuildVerdict = Type.Union([
  Type.Literal('open'),
  Type.Literal('closed'),
  Type.Literal('uncertain'),
  Type.Literal('known'),
  Type.Literal('conflict'),
]);
export type RebuildVerdict = Type.Static<typeof RebuildVerdict>;

/** One image of the plan. */
export const RebuiltImage = Type.Object({
  image: Name,
  verdict: RebuildVerdict,
  /** The writer, or whoever has it as it was closed. */
  node: Name,
  /** Why, in a sentence. */
  reason: Type.String(),
  /** What accepting it would lose; empty where there is nothing to accept. */
  wouldLose: Type.String(),
  isAccepted: Type.Boolean(),
  /** What must be closed before it can be accepted: it would go on under an epoch that it has used otherwise before. */
  toClose: Type.Optional(Type.Object({ node: Name, layer: LayerId, epoch: Epoch })),
});
export type RebuiltImage = Type.Static<typeof RebuiltImage>;

/** What a rebuild comes to, or came to. */
export const RebuildReport = Type.Object({
  /** Why the catalogue is not the newest as it is; empty if nothing says so. */
  behind: Type.String(),
  isDone: Type.Boolean(),
  incarnation: Type.Integer({ minimum: 0 }),
  images: Type.Array(RebuiltImage),
  snapshots: Type.Array(Name),
  /** Layers that nothing names, and where they are: they stay. */
  unnamed: Type.Array(Type.Object({ layer: LayerId, image: Name, nodes: Type.Array(Name) })),
  away: Type.Array(Name),
  /** What the stores do not know, in sentences. */
  notes: Type.Array(Type.String()),
});
export type RebuildReport = Type.Static<typeof RebuildReport>;
