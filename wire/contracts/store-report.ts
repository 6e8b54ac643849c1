// What a store says of itself to the catalogue, and what it keeps of the catalogue's records, so that neither's loss, nor
// an older copy put in its place, goes unnoticed (SOUNDNESS A17, D1). Shapes only.
import { Type } from '#typebox';
import { Bytes, Digest, Epoch, LayerId, MigrationId, Name, Sequence } from '../names.ts';
import { Closing, ImageRole, SealedLayer } from './layers.ts';

const Count = Type.Integer({ minimum: 0 });

/**
 * How far a catalogue is: every commit raises the serial, every rebuild the incarnation. Of two copies of one catalogue
 * the one with the higher incarnation, then the higher serial, is the newer.
 */
export const CatalogueMark = Type.Object({ incarnation: Count, serial: Count });
export type CatalogueMark = Type.Static<typeof CatalogueMark>;

/** A layer whose blocks are at the nodes of one place and nowhere else. */
export const LayerPin = Type.Object({ layer: LayerId, place: Name, nodes: Type.Array(Name) });
export type LayerPin = Type.Static<typeof LayerPin>;

/** A layer of an image whose policy wants so many copies of what was flushed. */
export const LayerCopies = Type.Object({ layer: LayerId, copies: Type.Integer({ minimum: 2 }) });
export type LayerCopies = Type.Static<typeof LayerCopies>;

/** A layer of what is, or is becoming, a recovery point at the node: nothing of it is let go of there. */
export const LayerPoint = Type.Object({ layer: LayerId, node: Name });
export type LayerPoint = Type.Static<typeof LayerPoint>;

/** A snapshot as a store shows it: of each image the layers that it was, the newest first. */
export const KeptSnapshot = Type.Object({
  snapshot: Name,
  disks: Type.Array(Type.Object({ image: Name, bytes: Bytes, layers: Type.Array(SealedLayer, { minItems: 1 }) })),
});

/** A closed image as a node reads it: its layers, the newest first; those that say nothing are left out. */
export const KeptReader = Type.Object({
  image: Name,
  node: Name,
  bytes: Bytes,
  /** The newest that was granted before, also to a transfer that was refused: an opening under a later one ends the reading. */
  epoch: Epoch,
  layers: Type.Array(SealedLayer, { minItems: 1 }),
});
export type KeptReader = Type.Static<typeof KeptReader>;

/** The newest epoch of an image and who writes under it: another who writes under an earlier one is cut off. */
export const KeptHead = Type.Object({
  image: Name,
  epoch: Epoch,
  writer: Type.Union([Name, Type.Null()]),
  /** Who had it last. */
  holder: Name,
  /** Nobody knows whether that is so. */
  isDoubtful: Type.Boolean(),
});
export type KeptHead = Type.Static<typeof KeptHead>;

/** A layer that nothing needs, with the nodes that have still to let it go. */
export const KeptLeaving = Type.Object({ layer: LayerId, nodes: Type.Array(Name) });
export type KeptLeaving = Type.Static<typeof KeptLeaving>;

/** The catalogue's records as they were at a mark, which a store keeps and never reads: text under keys. */
export const KeptRecords = Type.Object({
  mark: CatalogueMark,
  /** What of them a store minds. */
  pins: Type.Array(LayerPin),
  /** Layers of which a policy wants copies, and how many. */
  copies: Type.Optional(Type.Array(LayerCopies)),
  points: Type.Optional(Type.Array(LayerPoint)),
  snapshots: Type.Optional(Type.Array(KeptSnapshot)),
  readers: Type.Optional(Type.Array(KeptReader)),
  heads: Type.Optional(Type.Array(KeptHead)),
  leaving: Type.Optional(Type.Array(KeptLeaving)),
  records: Type.Array(Type.Object({ key: Type.String(), text: Type.String() })),
});
export type KeptRecords = Type.Static<typeof KeptRecords>;

/** All that a store knows of one layer, its blocks and its table's entries aside. */
export const ReportedLayer = Type.Object({
  layer: LayerId,
  /** The image that it is the top of, or was made for. */
  image: Name,
  bytes: Bytes,
  role: ImageRole,
  generation: Count,
  below: Type.Array(SealedLayer),
  /** Of the writer that the store is, was or followed. */
  epoch: Epoch,
  /** How earlier epochs ended, as far as the store was told. */
  ends: Type.Array(Type.Object({ epoch: Epoch, lastSequence: Sequence })),
  /** How the table stood when it last ended here; null while it changes, or when nobody said. */
  closing: Type.Union([Closing, Type.Null()]),
  /** The table as it is. */
  table: Type.Object({ lastSequence: Sequence, entries: Count, digest: Digest }),
  /** The transfer that it is frozen for, stands by for or was made the writer by. */
  migration: Type.Union([MigrationId, Type.Null()]),
  /** Durably here. */
  localBlocks: Count,
  /** Blocks with data that are only elsewhere, or not durable here because the disk did not take them. */
  missingBlocks: Count,
});
export type ReportedLayer = Type.Static<typeof ReportedLayer>;

/** Everything that a store holds. */
export const StoreReport = Type.Object({
  layers: Type.Array(ReportedLayer),
  /** Layers whose files are there and cannot be used: nobody knows what they would say. */
  unusable: Type.Array(LayerId),
  /** The members that it was told of. */
  members: Type.Array(Name),
  /** Of the records that it keeps; null where it never got any. */
  kept: Type.Union([CatalogueMark, Type.Null()]),
});
export type StoreReport = Type.Static<typeof StoreReport>;
