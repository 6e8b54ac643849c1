// The calls that a node's block daemon answers. Blocks and version entries travel as frames beside them, not here.
import { Type } from 'typebox';
import { contract, method } from '../contract.ts';
import { Bytes, Digest, Endpoint, Epoch, MigrationId, Name, Sequence } from '../names.ts';

const Empty = Type.Object({});
const Count = Type.Integer({ minimum: 0 });

/** What a writer's table was at one moment: the proof that a stand-by holds the same (SOUNDNESS A4). */
export const Closing = Type.Object({
  image: Name,
  epoch: Epoch,
  lastSequence: Sequence,
  /** Blocks that were ever written. */
  entries: Count,
  digest: Digest,
  /** Counts changes of the image's stack of layers; 1 until it has more than one. */
  generation: Count,
});
export type Closing = Type.Static<typeof Closing>;

/** How an image stands at one store. */
export const ImageRole = Type.Union([
  Type.Literal('replica'),
  Type.Literal('writer'),
  Type.Literal('standby'),
  Type.Literal('frozen'),
]);

/** An image as one store sees it; block counts are of 4 KiB blocks. */
export const StoreImage = Type.Object({
  image: Name,
  bytes: Bytes,
  role: ImageRole,
  epoch: Epoch,
  lastSequence: Sequence,
  digest: Digest,
  writtenBlocks: Count,
  localBlocks: Count,
  /** Blocks of the newest version that only another node is known to have: what the image depends on. */
  dependsOn: Type.Array(Type.Object({ node: Name, blocks: Count })),
  counters: Type.Object({
    reads: Count,
    writes: Count,
    flushes: Count,
    fetchedOnDemandBlocks: Count,
    fetchedInBackgroundBlocks: Count,
    /** Found here not to be what their versions name: rot, or a disk that lied. */
    spoiltBlocks: Count,
    /** Bytes received of blocks and of version entries, frames included, TLS records not. */
    blockBytesIn: Bytes,
    blockBytesOut: Bytes,
    entryBytesIn: Bytes,
    entryBytesOut: Bytes,
  }),
});
export type StoreImage = Type.Static<typeof StoreImage>;

/** What a disk file that comes in may be. `vhd` is Microsoft's older format, `ova` a tar with one disk in it. */
export const ImageFormat = Type.Union([
  Type.Literal('raw'),
  Type.Literal('qcow2'),
  Type.Literal('vmdk'),
  Type.Literal('vhd'),
  Type.Literal('vhdx'),
  Type.Literal('ova'),
]);
export type ImageFormat = Type.Static<typeof ImageFormat>;

/** What a disk file that goes out may be: a `vmdk` is streamOptimized, a `vhd` fixed and of whole MiB. */
export const ExportFormat = Type.Union([
  Type.Literal('raw'),
  Type.Literal('qcow2'),
  Type.Literal('vmdk'),
  Type.Literal('vhd'),
]);
export type ExportFormat = Type.Static<typeof ExportFormat>;

/** A file that an image was written to, and the size of the disk in it. */
export const ExportedFile = Type.Object({ path: Type.String(), bytes: Bytes });
export type ExportedFile = Type.Static<typeof ExportedFile>;

/** The block daemon's calls. */
export const blockdContract = contract('blockd', {
  /** Makes an empty image of the given size here, as epoch 0. */
  'image.create': method(['controller'], Type.Object({ image: Name, bytes: Bytes }), Empty),
  /**
   * Makes an image here from a disk file of this node, which may name no other file; the format is recognised unless it
   * is said. Blocks that are all zero stay unwritten; nothing is left of one that failed or was cancelled.
   */
  'image.import': method(
    ['controller'],
    Type.Object({ image: Name, path: Type.String(), format: Type.Optional(ImageFormat) }),
    Closing,
    { progress: Type.Object({ doneBytes: Bytes, totalBytes: Bytes }), timeoutMs: 0 },
  ),
  /**
   * Writes a closed image to a new file of this node. Refused unless the table here is the one it was closed with and
   * all its blocks are here.
   */
  'image.export': method(
    ['controller'],
    Type.Object({ last: Closing, path: Type.String(), format: ExportFormat }),
    ExportedFile,
    { progress: Type.Object({ doneBytes: Bytes, totalBytes: Bytes }), timeoutMs: 0 },
  ),
  /** Forgets an image here, its blocks included; an open one is refused. */
  'image.delete': method(['controller'], Type.Object({ image: Name }), Empty),
  'image.list': method(['controller'], Empty, Type.Object({ images: Type.Array(StoreImage) })),
  'image.show': method(['controller', 'self'], Type.Object({ image: Name }), StoreImage),
  /**
   * Opens for writing under a granted epoch. When another store closed it last, its table is fetched from there and
   * must equal the catalogue's closing record. Answers the unix socket of the NBD export.
   */
  'image.open': method(
    ['controller'],
    Type.Object({ image: Name, bytes: Bytes, epoch: Epoch, last: Closing, from: Endpoint }),
    Type.Object({ socket: Type.String() }),
    { timeoutMs: 120_000 },
  ),
  /**
   * Ends the export once its client is gone, makes everything durable and says what the table is; says it again when
   * the image was closed under this very epoch. IMAGE_NOT_OPEN: nothing was ever written here under the epoch (there is
   * no such image, or its opening failed), and nothing will be, for an opening under it that comes later is refused: the
   * caller gives the epoch back (the catalogue's `epoch.abandon`). Any other error leaves the epoch as it is.
   */
  'image.close': method(['controller'], Type.Object({ image: Name, epoch: Epoch }), Closing),
  /**
   * Begins to follow the writer's table, so that the hold needs one message; blocks come only on demand. Answers at
   * once: a waiting machine may connect to the socket while the table is still on its way.
   */
  'standby.start': method(
    ['controller'],
    Type.Object({ migration: MigrationId, image: Name, bytes: Bytes, epoch: Epoch, from: Endpoint }),
    Type.Object({ socket: Type.String() }),
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
  /** Fetches what is missing here in the background until the image is independent of other nodes. Rate 0 pauses. */
  'pull.set': method(['controller'], Type.Object({ image: Name, rateBytesPerSecond: Bytes }), Empty),
  /** The members, by which holders' names become addresses. */
  'members.set': method(['controller'], Type.Object({ members: Type.Array(Endpoint) }), Empty),
});
