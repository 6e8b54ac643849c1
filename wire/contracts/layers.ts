// What an image is made of: a layer that is written, above layers that never change again and that images share. Shapes
// only; what a layer is at a store is in `blockd.ts`.
import { Type } from 'typebox';
import { Bytes, Digest, LayerId, Sequence } from '../names.ts';

/** Layers below a top: each costs a look at its table where those above have nothing. */
export const BELOW_MAX = 64;

/** A layer that never changes again, with the proof of its table: who has another table has not got it (SOUNDNESS A4). */
export const SealedLayer = Type.Object({
  layer: LayerId,
  bytes: Bytes,
  lastSequence: Sequence,
  /** Blocks that it says something of. */
  entries: Type.Integer({ minimum: 0 }),
  digest: Digest,
});
export type SealedLayer = Type.Static<typeof SealedLayer>;

/** An image's layers. Only `layer` is ever written; every change of the stack raises the generation (SOUNDNESS A15). */
export const Stack = Type.Object({
  layer: LayerId,
  generation: Type.Integer({ minimum: 1 }),
  /** The newest first. */
  below: Type.Array(SealedLayer, { maxItems: BELOW_MAX }),
});
export type Stack = Type.Static<typeof Stack>;
