// The calls of the catalogue (the data view, TOCS 2017 3.2.1): one head per image, changed by one commit at a time.
import { Type } from '#typebox';
import { contract, method } from '../contract.ts';
import { Bytes, CutId, Epoch, LayerId, MigrationId, Name } from '../names.ts';
import { Closing, CutImage } from './blockd.ts';
import { LayerMerge, SealedLayer, Stack } from './layers.ts';
import { PropagationSettings } from './propagation.ts';
import { RebuildOrder, RebuildReport } from './rebuild.ts';
import { HEARD_NOTCHES_MAX, HeardNotch, NodeNotch } from './store-notch.ts';
import { CatalogueMark, KeptRecords, LayerPin, StoreReport } from './store-report.ts';

const Empty = Type.Object({});

/** Where blocks are and nowhere else: the nodes of a place, which is a cloud or a node. */
export const Pin = Type.Object({ place: Name, nodes: Type.Array(Name, { minItems: 1 }) });
export type Pin = Type.Static<typeof Pin>;

/** What a cut is for: a snapshot, or a larger size. */
const HeadCut = Type.Object({
  id: CutId,
  snapshot: Type.Optional(Name),
  /** The top that there will be. */
  layer: LayerId,
  bytes: Type.Optional(Bytes),
});

/** An image's head: the newest granted epoch, who may write under it, how the earlier ones ended. */
export const Head = Type.Object({
  image: Name,
  bytes: Bytes,
  epoch: Epoch,
  /** The node that may write now; none while the image is closed. */
  writer: Type.Union([Name, Type.Null()]),
  /** The store whose table the last closing describes: where the next opener gets it. */
  holder: Name,
  /** How the newest closed epoch ended (SOUNDNESS A7: versions of an epoch beyond its closing are discarded). */
  last: Closing,
  closings: Type.Array(Type.Object({ epoch: Epoch, lastSequence: Type.Integer({ minimum: 0 }) })),
  /** While a transfer stands, no other open is granted (SOUNDNESS B3). */
  transfer: Type.Union([Type.Object({ migration: MigrationId, from: Name, to: Name, epoch: Epoch }), Type.Null()]),
  stack: Stack,
  /** While a cut stands, no epoch begins or ends and no transfer begins: its top may be another at its node already. */
  cut: Type.Union([HeadCut, Type.Null()]),
  /** How its blocks get to other places; without it as by default. */
  propagation: Type.Optional(PropagationSettings),
  /** Why the records of the image may not be its newest, in a sentence: nobody opens it until that is settled. */
  doubt: Type.Optional(Type.String()),
  /** The node whose store was put back, or copied, which is the doubt's reason: a person settles it, no store's word does. */
  rollback: Type.Optional(Name),
  /** Elsewhere it is a stub: it may be opened there, and every request waits until its VM has moved to the place. */
  pin: Type.Optional(Pin),
  /** The nodes that have it open for reading, while nobody writes it; without it none has. */
  readers: Type.Optional(Type.Array(Name, { minItems: 1 })),
});
export type Head = Type.Static<typeof Head>;

/** What one image was at a snapshot: layers that never change again, the newest first. */
export const SnapshotDisk = Type.Object({
  image: Name,
  bytes: Bytes,
  /** The store that had its newest layer then. */
  holder: Name,
  layers: Type.Array(SealedLayer, { minItems: 1 }),
});
export type SnapshotDisk = Type.Static<typeof SnapshotDisk>;

/** Where a snapshot is, whole and durable, besides where it was taken: what is left when the writer's disk is lost. */
const RecoveryPoint = Type.Object({ place: Name, node: Name, durableMs: Type.Number() });

/** One moment of one image, or of several that were cut in the same moment. */
export const Snapshot = Type.Object({
  snapshot: Name,
  atMs: Type.Number(),
  disks: Type.Array(SnapshotDisk),
  pin: Type.Optional(Pin),
  /** The node that is to be its recovery point: from before the first block comes it lets go of nothing of it. */
  carriedTo: Type.Optional(Name),
  /** Of one that is made by a schedule, once it has arrived. */
  recovery: Type.Optional(RecoveryPoint),
});
export type Snapshot = Type.Static<typeof Snapshot>;

/** A layer that nothing names any more, and the nodes that have not said yet that they have let it go (SOUNDNESS A21). */
export const Leaving = Type.Object({
  layer: LayerId,
  nodes: Type.Array(Name),
  /** How it was merged, in which commit, and what its blocks are a part of by now. */
  merge: Type.Optional(
    Type.Object({ ...LayerMerge.properties, serial: Type.Integer({ minimum: 0 }), target: LayerId }),
  ),
});
export type Leaving = Type.Static<typeof Leaving>;

/** The catalogue as a whole. */
export const CatalogueState = Type.Object({
  ...CatalogueMark.properties,
  /** Why these records are known not to be the newest, in a sentence: then nothing is granted or forgotten. Or empty. */
  behind: Type.String(),
});
export type CatalogueState = Type.Static<typeof CatalogueState>;

const Left = Type.Object({ leaving: Type.Array(Leaving) });

/** The catalogue's calls. */
export const catalogueContract = contract('catalogue', {
  'image.add': method(
    ['controller'],
    Type.Object({ image: Name, layer: LayerId, bytes: Bytes, holder: Name, closing: Closing }),
    Head,
  ),
  /** Forgets a closed image; its layers that nothing else names are to leave the nodes. */
  'image.remove': method(['controller'], Type.Object({ image: Name, nodes: Type.Array(Name) }), Left),
  /** A new image on top of a snapshot's layers; no block is copied. `disk`: which image of the snapshot. */
  'image.clone': method(['controller'], Type.Object({ image: Name, layer: LayerId, snapshot: Name, disk: Name }), Head),
  /** A closed image gets a new top of a larger size. Repeating the same changes nothing. */
  'image.resize': method(['controller'], Type.Object({ image: Name, layer: LayerId, bytes: Bytes }), Head),
  'image.list': method(['controller'], Empty, Type.Object({ heads: Type.Array(Head) })),
  /** At any time, also while the image is written; its writer is told by whoever sets it. POLICY_UNSUPPORTED */
  'propagation.set': method(['controller'], Type.Object({ image: Name, settings: PropagationSettings }), Head),
  'propagation.show': method(['controller'], Type.Object({ image: Name }), PropagationSettings),
  'image.head': method(['controller'], Type.Object({ image: Name }), Head),
  /** Grants the next epoch to one node; refused while another holds it or a transfer stands. */
  'epoch.open': method(['controller'], Type.Object({ image: Name, node: Name }), Head),
  /** Opens a closed image for reading at one more node: until that is closed no epoch begins. May be repeated. */
  'reader.open': method(['controller'], Type.Object({ image: Name, node: Name }), Head),
  /** The node reads it no more. May be repeated. */
  'reader.close': method(['controller'], Type.Object({ image: Name, node: Name }), Head),
  /** Records how an epoch ended; refused unless that epoch is the head's and the node its writer. */
  'epoch.close': method(['controller'], Type.Object({ image: Name, node: Name, closing: Closing }), Head),
  /** Gives an epoch back that its node never wrote under: the head's closing and holder stay, the number is burnt. */
  'epoch.abandon': method(['controller'], Type.Object({ image: Name, node: Name, epoch: Epoch }), Head),
  /** Commits all images of one VM to a transfer in one transaction (SOUNDNESS B5); grants epoch e+1 to `to`. */
  'transfer.begin': method(
    ['controller'],
    Type.Object({ migration: MigrationId, images: Type.Array(Name), from: Name, to: Name }),
    Type.Object({ heads: Type.Array(Head) }),
  ),
  /** The destination's record decided: moved (with the source's closings) or stayed. Repeating it changes nothing. */
  'transfer.finish': method(
    ['controller'],
    Type.Object({ migration: MigrationId, moved: Type.Boolean(), closings: Type.Array(Closing) }),
    Type.Object({ heads: Type.Array(Head) }),
  ),
  /**
   * Commits images to one cut, each at the generation that its orderer knows; those that are open have one writer, whose
   * node cuts them then.
   */
  'snapshot.begin': method(
    ['controller'],
    Type.Object({
      cut: CutId,
      snapshot: Name,
      cuts: Type.Array(Type.Object({ image: Name, generation: Type.Integer({ minimum: 1 }), layer: LayerId }), {
        minItems: 1,
      }),
    }),
    Type.Object({ heads: Type.Array(Head) }),
  ),
  /** The cut was made: `sealed` by the node of the open images, by their closings for the others. May be repeated. */
  'snapshot.finish': method(
    ['controller'],
    Type.Object({ cut: CutId, snapshot: Name, sealed: Type.Array(CutImage), atMs: Type.Number() }),
    Snapshot,
  ),
  /** The cut was not made and never will be: its node said so. May be repeated. */
  'snapshot.abort': method(['controller'], Type.Object({ cut: CutId }), Empty),
  /** Commits an open image to a cut above which it is larger; ended by `growth.finish`, or by `snapshot.abort`. */
  'growth.begin': method(
    ['controller'],
    Type.Object({ cut: CutId, image: Name, generation: Type.Integer({ minimum: 1 }), layer: LayerId, bytes: Bytes }),
    Head,
  ),
  /** The cut was made, as the image's node says. May be repeated. */
  'growth.finish': method(['controller'], Type.Object({ cut: CutId, image: Name, sealed: Type.Array(CutImage) }), Head),
  /** It is about to be brought to the node as a recovery point. May be repeated, also for another node. */
  'snapshot.carry': method(['controller'], Type.Object({ snapshot: Name, node: Name }), Snapshot),
  /** All of it is durable at another node. May be repeated, also for another place. */
  'snapshot.arrived': method(['controller'], Type.Object({ snapshot: Name, recovery: RecoveryPoint }), Snapshot),
  'snapshot.list': method(['controller'], Empty, Type.Object({ snapshots: Type.Array(Snapshot) })),
  'snapshot.remove': method(['controller'], Type.Object({ snapshot: Name, nodes: Type.Array(Name) }), Left),
  /**
   * Two layers are one from now on, wherever they are named; the upper one is to leave the nodes. LAYER_NEEDED, LAYER_BUSY
   * or MERGES_WAIT: nothing is changed.
   */
  'layer.merge': method(['controller'], Type.Object({ merge: LayerMerge, nodes: Type.Array(Name) }), Left),
  'layer.leaving': method(['controller'], Empty, Left),
  /** Layers of a creation that came to nothing are to leave the nodes; one that something names is not touched. */
  'layer.leave': method(['controller'], Type.Object({ layers: Type.Array(LayerId), nodes: Type.Array(Name) }), Left),
  /**
   * What a node's store says of itself, compared with what is here: of an image that it has seen beyond what is known
   * here, nothing is granted any more; and nothing of any, if these records are older than those that it keeps.
   */
  'store.heard': method(
    ['controller'],
    Type.Object({ node: Name, report: StoreReport }),
    Type.Object({ behind: Type.String(), doubtful: Type.Array(Name) }),
  ),
  /** The newest notch that each node's store was seen at. */
  'notch.list': method(['controller'], Empty, Type.Object({ notches: Type.Array(NodeNotch) })),
  /**
   * What stores say of those notches. Of one that is not what it was, nothing more is granted of the images that were
   * written there; `again`: the nodes that are to be asked once more, with their reports.
   */
  'notch.heard': method(
    ['controller'],
    Type.Object({ heard: Type.Array(HeardNotch, { maxItems: HEARD_NOTCHES_MAX }) }),
    Type.Object({
      again: Type.Array(Name),
      /** The images that are in doubt from now on, by which node's store, and why. */
      doubtful: Type.Array(Type.Object({ image: Name, node: Name, reason: Type.String() })),
    }),
  ),
  /** How far it is, and whose stores it was compared with since this start of it. */
  'catalogue.state': method(
    ['controller'],
    Empty,
    Type.Object({ state: CatalogueState, heard: Type.Array(Name), doubtful: Type.Array(Name) }),
  ),
  /** The records made again from what the stores that were heard say. */
  'catalogue.rebuild': method(['controller'], RebuildOrder, RebuildReport, { timeoutMs: 120_000 }),
  /** All records, for the stores to keep. */
  'records.list': method(['controller'], Empty, KeptRecords),
  /**
   * Pins an image or a snapshot to a place, where `holder` has all of it; without a pin it is free again. Answers the other
   * images that stand on a layer of it.
   */
  'pin.set': method(
    ['controller'],
    Type.Object({
      kind: Type.Union([Type.Literal('image'), Type.Literal('snapshot')]),
      name: Name,
      pin: Type.Union([Pin, Type.Null()]),
      holder: Name,
      /** Of an image: the epoch that it was in when `holder` was seen to have all of it. */
      epoch: Type.Optional(Epoch),
    }),
    Type.Object({ alsoHeld: Type.Array(Name) }),
  ),
  /** Every layer that is pinned, and how far the catalogue is that says so. */
  'pin.list': method(['controller'], Empty, Type.Object({ mark: CatalogueMark, pins: Type.Array(LayerPin) })),
  /** The node has let the layer go. */
  'layer.gone': method(['controller'], Type.Object({ layer: LayerId, node: Name }), Empty),
  /** Whether something needs its blocks at this moment: it is named, or what it became a part of is. */
  'layer.needed': method(['controller'], Type.Object({ layer: LayerId }), Type.Object({ isNeeded: Type.Boolean() })),
});
