// A table as it is at one moment, piece by piece, while the table goes on changing: what changes before its piece was taken
// is copied first, group by group. Beyond a limit of such copies a change hands its whole piece out instead, so that the
// memory for it is bounded whatever is written meanwhile. It opens nothing.
import { clearFrom, copyGroup, type EntryChunk, EntrySlab, makeChunk } from './entry-slab.ts';
import { GROUP_BLOCKS } from './group-index.ts';
import { encodeHead, piecesOf, seal, type TableHead } from './table-file.ts';

/** 65 MB of copies: what 500,000 writes at random change within one checkpoint. */
const KEPT_GROUPS_MAX = 2 ** 19;

/** A chunk of the table as it was, sealed, and where it belongs in the file. */
export interface TablePiece {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** How a table is captured. */
export interface CaptureOptions {
  /** Writes a piece in this step, when there is no room for copies any more. What it throws ends the capture. */
  readonly spill: (piece: TablePiece) => void;
  /** Groups that are copied at most; for tests. */
  readonly keptGroupsMax?: number;
}

/** One captured table. */
export class TableCapture {
  /** What the file begins with. */
  readonly head: Buffer;
  /** How many pieces there are. */
  readonly pieces: number;
  readonly #slab: EntrySlab;
  readonly #groups: number;
  readonly #pieceBytes: number;
  readonly #flagsKept: number;
  readonly #options: CaptureOptions;
  readonly #isTaken: Uint8Array;
  /** Groups as they were, found by their slots. */
  readonly #kept: EntrySlab;
  readonly #piece: EntryChunk;
  #spilt: EntryChunk | undefined;
  #failure: unknown;
  #isEnded = false;

  /** `flagsKept`: which of an entry's flags mean anything on a disk. */
  constructor(slab: EntrySlab, head: TableHead, flagsKept: number, options: CaptureOptions) {
    const { count, bytes } = piecesOf(head);
    this.head = encodeHead(head);
    this.pieces = count;
    this.#slab = slab;
    this.#groups = head.groups;
    this.#pieceBytes = bytes;
    this.#flagsKept = flagsKept;
    this.#options = options;
    this.#isTaken = new Uint8Array(count);
    this.#kept = new EntrySlab(Math.max(1, head.groups) * GROUP_BLOCKS);
    this.#piece = makeChunk(slab.chunkGroups);
  }

  /** Whether the rest is still wanted. @throws Error that a spill has ended the capture with */
  goesOn(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return !this.#isEnded;
  }

  /** Nobody wants the rest. */
  end(): void {
    this.#isEnded = true;
  }

  /** An entry of the group at this slot is about to change. */
  keep(slot: number): void {
    const group = Math.floor(slot / GROUP_BLOCKS);
    const index = Math.floor(group / this.#slab.chunkGroups);
    if (this.#isEnded || group >= this.#groups || this.#isTaken[index] === 1 || this.#kept.slotOf(slot) >= 0) return;
    if (this.#kept.groups >= (this.#options.keptGroupsMax ?? KEPT_GROUPS_MAX)) this.#spill(index);
    else this.#copy(group * GROUP_BLOCKS);
  }

  /** The piece of this index, good until the next call; undefined when it was handed out before. */
  take(index: number): TablePiece | undefined {
    return this.#isTaken[index] === 1 ? undefined : this.#take(index, this.#piece);
  }

  #take(index: number, into: EntryChunk): TablePiece {
    const chunk = this.#slab.chunks[index];
    if (chunk === undefined) throw new Error(`the table has no piece ${index}`);
    this.#isTaken[index] = 1;
    into.bytes.set(chunk.bytes);
    this.#putBack(index, into);
    // Places that were made since: whoever reads the file makes them again.
    const groups = this.#groups - index * this.#slab.chunkGroups;
    if (groups < this.#slab.chunkGroups) clearFrom(into, groups * GROUP_BLOCKS);
    const { flags } = into;
    for (let at = 0; at < flags.length; at++) flags[at] = (flags[at] ?? 0) & this.#flagsKept;
    seal(into.bytes);
    return { bytes: into.bytes, offset: this.head.length + index * this.#pieceBytes };
  }

  #copy(slot: number): void {
    const kept = this.#kept.makeSlot(slot);
    const from = this.#slab.chunkOf(slot);
    copyGroup(from, this.#slab.indexOf(slot), this.#kept.chunkOf(kept), this.#kept.indexOf(kept));
  }

  #putBack(index: number, into: EntryChunk): void {
    const first = index * this.#slab.chunkGroups * GROUP_BLOCKS;
    const end = Math.min(first + this.#slab.chunkGroups * GROUP_BLOCKS, this.#kept.blocks);
    for (let slot = this.#kept.nextPlaced(first, end); slot < end; ) {
      const kept = this.#kept.slotOf(slot);
      copyGroup(this.#kept.chunkOf(kept), this.#kept.indexOf(kept), into, slot - first);
      slot = this.#kept.nextPlaced(slot + GROUP_BLOCKS, end);
    }
  }

  /** The change that asked for it goes on, whatever becomes of the file. */
  #spill(index: number): void {
    this.#spilt ??= makeChunk(this.#slab.chunkGroups);
    try {
      this.#options.spill(this.#take(index, this.#spilt));
    } catch (cause) {
      this.#failure = cause;
      this.#isEnded = true;
    }
  }
}
