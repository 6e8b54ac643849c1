// Images and layers as one store shows them. Shapes only.
import { Type } from '#typebox';
import { Bytes, Digest, Epoch, LayerId, Name, Sequence } from '../names.ts';
import { ImageRole } from './layers.ts';

const Count = Type.Integer({ minimum: 0 });

/** The copies that an image's policy asks for, as its writer knows them. */
export const CopiesShown = Type.Object({
  /** Asked for; and on how many stores, in the policy's count, everything is that is durable here. */
  copies: Count,
  safeOn: Count,
  /** So many copies were not there yet since the policy was set, or not all of the image is here: flushes wait for fewer. */
  forming: Type.Boolean(),
  /** Flushes are answered with fewer, since the policy says so. */
  degraded: Type.Boolean(),
  waitingFlushes: Count,
  stores: Type.Array(
    Type.Object({
      node: Name,
      reachable: Type.Boolean(),
      /** Everything up to it is durable there; null while nothing is known to be. */
      durableSequence: Type.Union([Sequence, Type.Null()]),
      /** Why not; empty while all is well. */
      reason: Type.String(),
    }),
  ),
});
export type CopiesShown = Type.Static<typeof CopiesShown>;

/** An image as one store sees it; block counts are of 4 KiB blocks. */
export const StoreImage = Type.Object({
  image: Name,
  bytes: Bytes,
  /** Its top layer here, and the generation of the stack that this belongs to. */
  layer: LayerId,
  generation: Count,
  role: ImageRole,
  epoch: Epoch,
  /** Of the top layer's table, as the digest. */
  lastSequence: Sequence,
  digest: Digest,
  /** Over all layers, as the next one. */
  writtenBlocks: Count,
  localBlocks: Count,
  /** Blocks of the newest version that only another node is known to have: what the image depends on. */
  dependsOn: Type.Array(Type.Object({ node: Name, blocks: Count })),
  /** When all that is here of it was read and compared last, ms since 1970: of its layers the one longest ago. */
  scrubbedAtMs: Type.Union([Type.Number(), Type.Null()]),
  /** While it is written here under a policy with copies. */
  copies: Type.Optional(CopiesShown),
  /** There while some of its layers is pinned to another place: what is asked of those waits. */
  stub: Type.Optional(Type.Object({ place: Name, waiting: Count })),
  counters: Type.Object({
    reads: Count,
    writes: Count,
    flushes: Count,
    fetchedOnDemandBlocks: Count,
    fetchedInBackgroundBlocks: Count,
    /** Came because their writer offered them, before anybody here asked. */
    pushedHereBlocks: Count,
    /** Found here not to be what their versions name: rot, or a disk that lied. */
    spoiltBlocks: Count,
    /** Cached copies that were let go of here, since another node keeps them too. */
    evictedBlocks: Count,
    /** Bytes received of blocks and of version entries, frames included, TLS records not. */
    blockBytesIn: Bytes,
    blockBytesOut: Bytes,
    entryBytesIn: Bytes,
    entryBytesOut: Bytes,
  }),
});
export type StoreImage = Type.Static<typeof StoreImage>;

/**
 * What a scrub found: `waiting` are rotten blocks whose holders did not answer yet, `lost` those that nobody has, `unread`
 * blocks of which nothing is known, since their file could not be looked at (blockd's log says why).
 */
export const ScrubReport = Type.Object({
  checkedBlocks: Count,
  unreadBlocks: Count,
  rottenBlocks: Count,
  healedBlocks: Count,
  lostBlocks: Count,
  waitingBlocks: Count,
});
export type ScrubReport = Type.Static<typeof ScrubReport>;

/** One layer as one store sees it. */
export const StoreLayer = Type.Object({
  layer: LayerId,
  /** The image that it was made for. */
  image: Name,
  role: ImageRole,
  bytes: Bytes,
  writtenBlocks: Count,
  localBlocks: Count,
  /** Of its table, as in a proof: what could be opened here if nobody else had it any more. */
  lastSequence: Sequence,
  digest: Digest,
});
export type StoreLayer = Type.Static<typeof StoreLayer>;
