// What an image is made of: a layer that is written, above layers that never change again and that images share. Shapes
// only; what a layer is at a store is in `blockd.ts`.
import { Type } from '#typebox';
import { Bytes, Digest, Epoch, LayerId, Name, Sequence } from '../names.ts';
import { CopiesMeant } from './propagation.ts';

const Count = Type.Integer({ minimum: 0 });

/** Layers below a top: each costs a look at its table where those above have nothing. */
export const BELOW_MAX = 64;

/** Layers that were merged into one another and that some node still has by itself. */
export const MERGED_MAX = 512;

/** A layer that was merged into another one: its versions are those up to the sequence, down to the next lower one's. */
export const MergedLayer = Type.Object({ layer: LayerId, lastSequence: Sequence });
export type MergedLayer = Type.Static<typeof MergedLayer>;

/** A layer that never changes again, with the proof of its table: who has another table has not got it (SOUNDNESS A4). */
export const SealedLayer = Type.Object({
  layer: LayerId,
  bytes: Bytes,
  lastSequence: Sequence,
  /** Blocks that it says something of. */
  entries: Count,
  digest: Digest,
  /** What was merged into it: who has one of these still has its blocks under that name. */
  merged: Type.Optional(Type.Array(MergedLayer, { maxItems: MERGED_MAX })),
});
export type SealedLayer = Type.Static<typeof SealedLayer>;

/**
 * One layer merged into the next lower one, which keeps its name and is another from then on: wherever either is needed,
 * both are, one on the other (SOUNDNESS A21). So who reads both by name sees the same as who reads the one.
 */
export const LayerMerge = Type.Object({
  from: SealedLayer,
  /** The lower one, as it was. */
  into: SealedLayer,
  /** The lower one, as it is to be. */
  merged: SealedLayer,
});
export type LayerMerge = Type.Static<typeof LayerMerge>;

/** An image's layers. Only `layer` is ever written; every change of the stack raises the generation (SOUNDNESS A15). */
export const Stack = Type.Object({
  layer: LayerId,
  generation: Type.Integer({ minimum: 1 }),
  /** The newest first. */
  below: Type.Array(SealedLayer, { maxItems: BELOW_MAX }),
});
export type Stack = Type.Static<typeof Stack>;

/** What a writer asks another store to keep a durable copy of: its image, under its epoch, as far as it is written. */
export const CopyOffer = Type.Object({ image: Name, bytes: Bytes, stack: Stack, epoch: Epoch, lastSequence: Sequence });
export type CopyOffer = Type.Static<typeof CopyOffer>;

/** What the table of a writer's top layer was at one moment: the proof that a stand-by holds the same (SOUNDNESS A4). */
export const Closing = Type.Object({
  image: Name,
  epoch: Epoch,
  lastSequence: Sequence,
  /** Blocks that were ever written. */
  entries: Count,
  digest: Digest,
  /** Of the image's stack of layers; 1 until it has more than one. */
  generation: Count,
  /** What an answer to a flush meant by then, and means at the next writer from its first one on. */
  copies: Type.Optional(CopiesMeant),
});
export type Closing = Type.Static<typeof Closing>;

/**
 * How a layer stands at one store. As an image's top: `cutting` is a writer that stands still for a new top. Under tops:
 * `sealed` equals its proof. `loose`: no image's top here, and not proven; its blocks are good by their versions.
 */
export const ImageRole = Type.Union([
  Type.Literal('replica'),
  Type.Literal('writer'),
  Type.Literal('standby'),
  Type.Literal('frozen'),
  Type.Literal('cutting'),
  Type.Literal('sealed'),
  Type.Literal('loose'),
]);
export type ImageRole = Type.Static<typeof ImageRole>;
