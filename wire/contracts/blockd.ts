// The calls that a node's block daemon answers. Blocks and version entries travel as frames beside them, not here.
import { Type } from '#typebox';
import { contract, method } from '../contract.ts';
import { Bytes, CutId, Endpoint, Epoch, LayerId, Member, MigrationId, Name } from '../names.ts';
import { storeCacheCalls } from './cache.ts';
import { ExportedFile, ExportFormat, ImageFormat } from './disk-files.ts';
import { HeatCells, HeatMap } from './heat.ts';
import { Closing, LayerMerge, SealedLayer, Stack } from './layers.ts';
import { StoreMetrics } from './metrics.ts';
import { LEAD_SECONDS_MAX, PropagationSettings, PropagationStatus } from './propagation.ts';
import { storeReaderCalls } from './readers.ts';
import { ScrubReport, StoreImage, StoreLayer } from './store-images.ts';
import { SaidNotch } from './store-notch.ts';
import { CatalogueMark, KeptRecords, StoreReport } from './store-report.ts';

export { ExportedFile, ExportFormat, ImageFormat } from './disk-files.ts';
export { Closing, ImageRole } from './layers.ts';
export { CopiesShown, ScrubReport, StoreImage, StoreLayer } from './store-images.ts';

const Empty = Type.Object({});
const Count = Type.Integer({ minimum: 0 });

/** What one image's layer became when it was cut. */
export const CutImage = Type.Object({ image: Name, sealed: SealedLayer });
export type CutImage = Type.Static<typeof CutImage>;

/**
 * The layer to be on top of an image, and how large the image is to be if that is another size. `generation`: of the stack that
 * it is laid over; an order that comes when another lies there is refused, CUT_ENDED.
 */
const CutOrder = Type.Object({
  ...{ image: Name, layer: LayerId, bytes: Type.Optional(Bytes) },
  generation: Type.Optional(Type.Integer({ minimum: 1 })),
});

/** The block daemon's calls. */
export const blockdContract = contract('blockd', {
  /** Makes an empty image of the given size here, as epoch 0. */
  'image.create': method(['controller'], Type.Object({ image: Name, layer: LayerId, bytes: Bytes }), Empty),
  /**
   * Makes an image here from a disk file of this node, which may name no other file; the format is recognised unless it
   * is said. Blocks that are all zero stay unwritten; nothing is left of one that failed or was cancelled.
   */
  'image.import': method(
    ['controller'],
    Type.Object({ image: Name, layer: LayerId, path: Type.String(), format: Type.Optional(ImageFormat) }),
    Closing,
    { progress: Type.Object({ doneBytes: Bytes, totalBytes: Bytes }), timeoutMs: 0 },
  ),
  /**
   * Writes layers that nobody changes, the newest first, as one disk of so many bytes to a new file of this node: a
   * snapshot, or a closed image. Refused unless their tables here are the proven ones and all that is seen of them is here.
   */
  'image.export': method(
    ['controller'],
    Type.Object({
      image: Name,
      bytes: Bytes,
      layers: Type.Array(SealedLayer),
      path: Type.String(),
      format: ExportFormat,
    }),
    ExportedFile,
    { progress: Type.Object({ doneBytes: Bytes, totalBytes: Bytes }), timeoutMs: 0 },
  ),
  /** Forgets a layer here, its blocks included, and the image whose top it is; refused while somebody reads it. */
  'layer.drop': method(['controller'], Type.Object({ layer: LayerId }), Empty),
  /** What the lower layer would be with the upper one merged into it; this node has the tables of both. LAYER_ELSEWHERE */
  'merge.plan': method(
    ['controller'],
    Type.Object({ from: SealedLayer, into: SealedLayer }),
    Type.Object({ merged: SealedLayer }),
    { timeoutMs: 60_000 },
  ),
  /**
   * Merges what is here of a layer into the lower one, and lets it go; `newest` is what the lower one is by now, or what
   * that was merged into, and `source` who has that. It goes on by itself; repeating it says whether it is done.
   */
  'layer.merge': method(
    ['controller'],
    Type.Object({ merge: LayerMerge, newest: SealedLayer, source: Endpoint }),
    Type.Object({ isDone: Type.Boolean() }),
    { timeoutMs: 60_000 },
  ),
  'layer.list': method(['controller'], Empty, Type.Object({ layers: Type.Array(StoreLayer) })),
  /**
   * Brings layers that never change here, tables and blocks, ahead of whoever will read them; its caller may end it. Of a
   * recovery point it answers only where the kept records say that the layers stay: POINT_UNKNOWN.
   */
  'layer.seed': method(
    ['controller'],
    Type.Object({
      layers: Type.Array(SealedLayer),
      from: Endpoint,
      rateBytesPerSecond: Bytes,
      isPoint: Type.Optional(Type.Boolean()),
    }),
    Empty,
    { progress: Type.Object({ doneBytes: Bytes, totalBytes: Bytes }), timeoutMs: 0 },
  ),
  'image.list': method(['controller'], Empty, Type.Object({ images: Type.Array(StoreImage) })),
  'image.show': method(['controller', 'self'], Type.Object({ image: Name }), StoreImage),
  /**
   * Opens for writing under a granted epoch. Tables that are not here are fetched, from the store that closed it last or
   * from others, and must equal the catalogue's closing record and proofs. Answers the unix socket of the NBD export.
   */
  'image.open': method(
    ['controller'],
    Type.Object({
      ...{ image: Name, bytes: Bytes, stack: Stack, epoch: Epoch, last: Closing, from: Endpoint },
      propagation: Type.Optional(PropagationSettings),
    }),
    Type.Object({ socket: Type.String() }),
    { timeoutMs: 120_000 },
  ),
  /**
   * Ends the export once its client is gone, makes everything durable and says what the table is; says it again when
   * the image was closed under this very epoch. IMAGE_NOT_OPEN: nothing was ever written here under the epoch (there is
   * no such image, or its opening failed; `layer` is its top), and nothing will be, for an opening under it that comes later is refused: the
   * caller gives the epoch back (the catalogue's `epoch.abandon`). Any other error leaves the epoch as it is.
   */
  'image.close': method(['controller'], Type.Object({ image: Name, layer: LayerId, epoch: Epoch }), Closing),
  /**
   * Begins to follow the writer's table, so that the hold needs one message; blocks come only on demand. Answers at
   * once: a waiting machine may connect to the socket while the table is still on its way.
   */
  'standby.start': method(
    ['controller'],
    Type.Object({
      ...{ migration: MigrationId, image: Name, bytes: Bytes, stack: Stack, epoch: Epoch, from: Endpoint },
      propagation: Type.Optional(PropagationSettings),
    }),
    Type.Object({ socket: Type.String() }),
  ),
  /**
   * Follows the writer's table as a replica, so that blocks can be pushed here ahead of any migration: for 15 minutes,
   * unless it is said again. Where the image is open nothing is done. LAYER_GONE: its top has left this node for good.
   */
  'replica.follow': method(
    ['controller'],
    Type.Object({ image: Name, bytes: Bytes, stack: Stack, epoch: Epoch, from: Endpoint }),
    Empty,
  ),
  /** Answers once every table of the migration's stand-bys here was seen to equal the writer's. */
  'standby.ready': method(['controller'], Type.Object({ migration: MigrationId }), Empty, { timeoutMs: 120_000 }),
  /**
   * Gives the stand-by up; what it received stays usable by version. A start of the same migration that comes later is
   * refused (MIGRATION_ENDED), also after a restart.
   */
  'standby.cancel': method(['controller', 'self'], Type.Object({ migration: MigrationId }), Empty),
  /** Answers when the stand-by's tables equal the writer's closings, or says which does not within the time. */
  'standby.verify': method(
    ['self'],
    Type.Object({ migration: MigrationId, closings: Type.Array(Closing), timeoutMs: Count }),
    Type.Object({ equal: Type.Boolean(), reason: Type.String() }),
  ),
  /** The stand-by becomes the writer under its granted epoch; only after `started` is durable. */
  'standby.activate': method(['self'], Type.Object({ migration: MigrationId }), Empty),
  /**
   * The writer stops changing: writes queue (none fails), reads and empty flushes are answered (SOUNDNESS B1, B2).
   * Refused (MIGRATION_ENDED) once the migration was thawed or released here, in whatever order the calls arrive, also
   * after a restart.
   */
  'writer.freeze': method(
    ['self'],
    Type.Object({ migration: MigrationId, images: Type.Array(Name) }),
    Type.Object({ closings: Type.Array(Closing) }),
  ),
  /** The migration was refused: queued writes go on, and no freeze of it takes effect any more. */
  'writer.thaw': method(['self'], Type.Object({ migration: MigrationId }), Empty),
  /** The migration was started elsewhere: exports end, the images stay as replicas that others may fetch from. */
  'writer.release': method(['self'], Type.Object({ migration: MigrationId }), Empty),
  /**
   * Puts a new, empty layer on top of each of the images that are open for writing here, all in one moment in which writes
   * wait and none fails; what was on top never changes again. Either all are cut or none is, also over a crash. Repeating
   * the same answers the same. CUT_ENDED: it was cancelled here before. With `bytes` the image has that size from then on:
   * clients see it when they connect again.
   */
  'image.cut': method(
    ['controller'],
    Type.Object({ cut: CutId, cuts: Type.Array(CutOrder) }),
    Type.Object({ sealed: Type.Array(CutImage) }),
    { timeoutMs: 60_000 },
  ),
  /** Lets the export's clients go once they have their answers, so that they come again and see its size. EXPORT_BUSY */
  'export.renew': method(['self'], Type.Object({ image: Name }), Empty, { timeoutMs: 30_000 }),
  /** No cut of this id takes effect here any more; says what it did if it has already. */
  'cut.cancel': method(
    ['controller'],
    Type.Object({ cut: CutId, images: Type.Array(Name) }),
    Type.Object({ sealed: Type.Array(CutImage) }),
  ),
  /** Reads all that is here of an image, compares it with its checksums and fetches what is rotten from others. */
  'image.scrub': method(['controller', 'self'], Type.Object({ image: Name }), ScrubReport, {
    progress: Type.Object({ doneBytes: Bytes, totalBytes: Bytes }),
    timeoutMs: 0,
  }),
  /** Fetches what is missing here in the background until the image is independent of other nodes. Rate 0 pauses. */
  'pull.set': method(['controller'], Type.Object({ image: Name, rateBytesPerSecond: Bytes }), Empty),
  /**
   * How the image's blocks get to other places while it is written here; kept over a restart. An opening and a stand-by
   * bring the same along, and without it the image has the default. POLICY_UNSUPPORTED: nothing is changed.
   */
  'propagation.set': method(['controller'], Type.Object({ image: Name, settings: PropagationSettings }), Empty),
  /** What became of that; no status where the image is not written. */
  'propagation.show': method(
    ['controller', 'self'],
    Type.Object({ image: Name }),
    Type.Object({ settings: PropagationSettings, status: Type.Union([PropagationStatus, Type.Null()]) }),
  ),
  /**
   * A migration's memory waits while the image's blocks go ahead to its destination: until hardly anything is missing there,
   * for so long at most. How many blocks still are; null where nothing is pushed.
   */
  'propagation.lead': method(
    ['controller'],
    Type.Object({ image: Name, node: Name, withinMs: Type.Integer({ minimum: 0, maximum: LEAD_SECONDS_MAX * 1_000 }) }),
    Type.Object({ missingBlocks: Type.Union([Count, Type.Null()]) }),
  ),
  /** The members, by which holders' names become addresses, and clouds become nodes that blocks are pushed to. */
  'members.set': method(['controller'], Type.Object({ members: Type.Array(Member) }), Empty),
  /** How often its parts are read and written here; nothing where it is not written, or no other node wants to know. */
  'image.heat': method(
    ['controller'],
    Type.Object({ image: Name, cells: HeatCells }),
    Type.Object({ heat: Type.Union([HeatMap, Type.Null()]) }),
  ),
  ...storeCacheCalls,
  ...storeReaderCalls,
  /** What was counted here since the start. */
  'store.metrics': method(['controller', 'self'], Empty, StoreMetrics),
  /** What is here, for a catalogue that compares itself with it or is rebuilt from it. */
  'store.report': method(['controller'], Empty, StoreReport),
  /** How far the store has come, which is durable when it answers, and what it knows of its notch `at` (0: of none). */
  'store.notch': method(['controller'], Type.Object({ at: Type.Integer({ minimum: 0 }) }), SaidNotch),
  /** The catalogue's records as they are now, to be kept here. Older ones change nothing. Answers what is kept. */
  'records.keep': method(['controller'], KeptRecords, Type.Object({ mark: CatalogueMark })),
  'records.show': method(['controller'], Empty, Type.Object({ kept: Type.Union([KeptRecords, Type.Null()]) })),
});
