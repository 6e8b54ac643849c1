// What a layer's journal holds: one record per change, each complete in itself, so that a torn tail loses whole
// changes only. Schemas and the fold of records into a store's state; it opens nothing.
import { Type } from '#typebox';
import { Closing, ImageRole } from '../../wire/contracts/blockd.ts';
import { LayerMerge, MergedLayer, SealedLayer } from '../../wire/contracts/layers.ts';
import { CopiesMeant } from '../../wire/contracts/propagation.ts';
import { Bytes, CutId, Digest, Endpoint, Epoch, LayerId, MigrationId, Name, Sequence } from '../../wire/names.ts';
import { SEQUENCE_MAX } from '../table/block-version.ts';

const Count = Type.Integer({ minimum: 0 });
const EpochEnds = Type.Array(Type.Object({ epoch: Epoch, lastSequence: Sequence }));

/** One cut: all images that get a new top in it, at once or not at all (SOUNDNESS A15). */
const Cut = Type.Object({
  id: CutId,
  /** With `bytes`: how large the image is above it. `generation`: of the stack that is cut. */
  images: Type.Array(
    Type.Object({
      ...{ image: Name, layer: LayerId, bytes: Type.Optional(Bytes) },
      generation: Type.Optional(Type.Integer({ minimum: 1 })),
    }),
  ),
});
export type Cut = Type.Static<typeof Cut>;

/** How the layer stands at this store, apart from its blocks. */
export const StoreState = Type.Object({
  /** The image whose top it is; of a layer below, the one that it was made for. */
  image: Name,
  role: ImageRole,
  /** Of the stack that it is the top of, as `below`. */
  generation: Count,
  /** The layers under it, the newest first. */
  below: Type.Array(SealedLayer),
  /** The cut that this layer stands still for, or that made it. */
  cut: Type.Union([Cut, Type.Null()]),
  /** Of the writer that this store is or follows; for a replica the newest it has heard of. */
  epoch: Epoch,
  /** How earlier epochs ended: versions beyond are no part of the image (SOUNDNESS A7). */
  ends: EpochEnds,
  /** What the table equals if its digest says so; null while it changes. */
  closing: Type.Union([Closing, Type.Null()]),
  /** A stand-by's table was seen to equal `closing`, which its writer gave for this transfer. */
  verified: Type.Boolean(),
  /** The transfer that froze this store, that it stands by for or that made it the writer. */
  migration: Type.Union([MigrationId, Type.Null()]),
  /** Under which epoch this store wrote until it was found to be cut off: what is beyond its end is in its place still. */
  cutOff: Type.Optional(Type.Union([Epoch, Type.Null()])),
  /** Of a top that is written: what an answer to a flush means by now. */
  copies: Type.Optional(Type.Union([CopiesMeant, Type.Null()])),
  /** Of a copy: everything up to it was here once as its writer has it; null when that is not sure any more. */
  copiedUpTo: Type.Optional(Type.Union([Sequence, Type.Null()])),
  /** The newest epoch under which a copy was taken over: a writer of an older one has no say in it any more. */
  copiedUnder: Type.Optional(Epoch),
  /** Whom a stand-by follows. */
  from: Type.Union([Endpoint, Type.Null()]),
  /** The upper layer that is being put into this one, which until then says the same only below it. */
  merging: Type.Optional(Type.Union([LayerMerge, Type.Null()])),
  /** What was merged into this layer. */
  merged: Type.Optional(Type.Array(MergedLayer)),
});
export type StoreState = Type.Static<typeof StoreState>;

/** One record; absent fields change nothing. */
export const StoreRecord = Type.Object({
  /** The first record of a journal: which checkpoint it continues (0: an empty table) and what that must be. */
  header: Type.Optional(
    Type.Object({
      bytes: Bytes,
      table: Count,
      mark: Type.Object({ lastSequence: Sequence, entries: Count, digest: Digest }),
    }),
  ),
  state: Type.Optional(StoreState),
  /** All holders' names by index; index 0 is nobody. */
  holders: Type.Optional(Type.Array(Type.Union([Name, Type.Literal('')]))),
  /** Sequences from here on were never used (SOUNDNESS A1); one beyond the last when all are reserved. */
  reservedBelow: Type.Optional(Type.Integer({ minimum: 0, maximum: SEQUENCE_MAX + 1 })),
  /** No extent is being written; then `active` counts. */
  clean: Type.Optional(Type.Boolean()),
  /** Extents whose data may change before the next record about them (SOUNDNESS A3). */
  active: Type.Optional(Type.Array(Count)),
  /** The kernel's run in which those were marked (`Disk.kernelRun`). */
  kernelRun: Type.Optional(Type.String()),
  lastSequence: Type.Optional(Sequence),
  /** Entries as in `version-run.ts`. */
  runs: Type.Optional(Type.Unsafe<Uint8Array>(Type.Any())),
});
export type StoreRecord = Type.Static<typeof StoreRecord>;

/** The top of an image that nobody has opened for writing yet. */
export function newState(image: string): StoreState {
  return {
    ...{ image, role: 'replica', generation: 1, below: [], cut: null },
    ...{ epoch: 0, ends: [], closing: null, verified: false, migration: null, from: null },
  };
}

/** What a journal adds up to, the entries left to the caller. */
export interface StoreFold {
  readonly header: NonNullable<StoreRecord['header']>;
  readonly state: StoreState;
  readonly holders: readonly string[];
  readonly reservedBelow: number;
  readonly active: ReadonlySet<number>;
  readonly kernelRun: string;
  readonly lastSequence: number;
  readonly runs: readonly Uint8Array[];
}

/** Adds records up; undefined when the first one is not a header with a state. */
export function foldRecords(records: readonly StoreRecord[]): StoreFold | undefined {
  const header = records[0]?.header;
  const state = newest(records, (record) => record.state);
  if (header === undefined || state === undefined) return undefined;
  const active = new Set<number>();
  for (const record of records) {
    if (record.clean === true) active.clear();
    for (const extent of record.active ?? []) active.add(extent);
  }
  return {
    header,
    active,
    state,
    kernelRun: newest(records, (record) => record.kernelRun) ?? '',
    holders: newest(records, (record) => record.holders) ?? [''],
    reservedBelow: newest(records, (record) => record.reservedBelow) ?? 1,
    lastSequence: newest(records, (record) => record.lastSequence) ?? header.mark.lastSequence,
    runs: records.flatMap((record) => (record.runs === undefined ? [] : [record.runs])),
  };
}

function newest<V>(records: readonly StoreRecord[], field: (record: StoreRecord) => V | undefined): V | undefined {
  const record = records.findLast((candidate) => field(candidate) !== undefined);
  return record === undefined ? undefined : field(record);
}
