// What a writer that was cut off wrote beyond the end of its epoch (SOUNDNESS A7; promise S4). It is no part of the image, and
// it lies where the image's blocks are about to come: so before the image's table is heard there it is copied into a raw file
// of the image's size, with holes everywhere else, for a person to look at. No store reads that file again, and no image fails
// for want of it.
import { type Clock, pause } from '../../common/clock.ts';
import { type Disk, type DiskFile, UNFINISHED } from '../../common/disk/disk.ts';
import { messageOf } from '../../common/errors.ts';
import { BLOCK_BYTES, type EpochEnd, epochOf, sequenceOf } from '../table/block-version.ts';
import type { VersionTable } from '../table/version-table.ts';
import type { BlockFile } from './block-file.ts';
import { NumberedFiles } from './numbered-files.ts';
import type { StoreState } from './store-record.ts';

/** Of one tail: a guest that was cut off and wrote 4 MiB a second for a minute. */
const TAIL_BYTES_MAX = 2 ** 28;
/** The newest: 1 GiB in all. */
export const TAIL_FILES_MAX = 4;

/** Why a table is not heard yet. */
export const TAIL_FIRST = 'what was written here beyond the end of its epoch is set aside first';

/** The name of an image, and an epoch. */
const NAME = /^\d{8}-.+-epoch-\d+\.raw$/;
/** Read and written at once. */
const PIECE_BLOCKS = 64;
/** Entries that are looked at in one step: a millisecond. */
const STEP_BLOCKS = 16_384;

/** What is looked at of a layer. */
export interface TailedLayer {
  readonly layer: string;
  readonly image: string;
  readonly bytes: number;
  readonly blocks: number;
  readonly state: StoreState;
  readonly table: Pick<VersionTable, 'nextHeld'>;
  readonly file: Pick<BlockFile, 'warm' | 'read'>;
  commit(change: { state: Partial<StoreState> }): Promise<void>;
}

export interface CutOffTailsParts {
  readonly disk: Disk;
  /** Theirs alone. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: { warn(fields: object, text: string): void };
  /** For tests; `TAIL_BYTES_MAX`. */
  readonly bytesMax?: number;
}

/** A file that is being filled: none while nothing was found. */
interface Copy {
  file: DiskFile | undefined;
  blocks: number;
  /** Not when there was more than the limit. */
  isWhole: boolean;
}

/** Neighbours of a tail. */
interface Piece {
  readonly first: number;
  readonly end: number;
}

/** The tails of one store's layers. */
export class CutOffTails {
  readonly #parts: CutOffTailsParts;
  readonly #files: NumberedFiles;
  /** Layers whose tails are being copied, or were under that epoch. */
  readonly #copies = new Map<string, { readonly epoch: number; isDone: boolean }>();

  constructor(parts: CutOffTailsParts) {
    this.#parts = parts;
    this.#files = new NumberedFiles({ ...parts, name: NAME, filesMax: TAIL_FILES_MAX });
  }

  /**
   * Whether a table may be heard that says so of how epochs ended: nothing that is here is beyond that, or it was copied.
   * If not, copying it begins, and whoever asks again later hears yes.
   */
  isAside(layer: TailedLayer, ends: readonly EpochEnd[]): boolean {
    const epoch = layer.state.cutOff ?? undefined;
    if (epoch === undefined) return true;
    const known = this.#copies.get(layer.layer);
    if (known?.epoch === epoch) return known.isDone;
    const copy = { epoch, isDone: false };
    this.#copies.set(layer.layer, copy);
    void this.#setAside(layer, epoch, ends).then(() => {
      copy.isDone = true;
    });
    return false;
  }

  /** Never rejects: what cannot be copied is said, and keeps no image from its table. */
  async #setAside(layer: TailedLayer, epoch: number, ends: readonly EpochEnd[]): Promise<void> {
    const what = { image: layer.image, layer: layer.layer, epoch };
    // Of an epoch of which nobody knows an end nothing is in the image.
    const lastSequence = ends.find((end) => end.epoch === epoch)?.lastSequence ?? 0;
    try {
      const name = `${layer.image}-epoch-${epoch}.raw`;
      await this.#files.add(name, (path) => this.#copy(layer, { epoch, lastSequence }, path, what));
    } catch (error) {
      const text = 'what a writer that was cut off wrote beyond the end of its epoch could not be kept';
      this.#parts.log.warn({ ...what, reason: messageOf(error) }, text);
    }
    // Where that cannot be made durable the next start copies it again, beside the first.
    await layer.commit({ state: { cutOff: null } }).catch(() => undefined);
  }

  /** Whether there was anything. */
  async #copy(layer: TailedLayer, end: EpochEnd, path: string, what: object): Promise<boolean> {
    const { disk, directory, log } = this.#parts;
    const copy: Copy = { file: undefined, blocks: 0, isWhole: true };
    const unfinished = `${path}${UNFINISHED}`;
    try {
      await this.#fill(copy, layer, end, unfinished);
      await copy.file?.datasync();
    } catch (error) {
      if (copy.file !== undefined) await disk.remove(unfinished);
      throw error;
    } finally {
      await copy.file?.close();
    }
    if (copy.file === undefined) return false;
    await disk.rename(unfinished, path);
    await disk.syncDirectory(directory);
    const { blocks, isWhole } = copy;
    const text =
      'what a writer that was cut off wrote beyond the end of its epoch is no part of the image and is kept beside';
    log.warn({ ...what, blocks, isWhole, path }, text);
    return true;
  }

  async #fill(copy: Copy, layer: TailedLayer, end: EpochEnd, path: string): Promise<void> {
    const blocksMax = (this.#parts.bytesMax ?? TAIL_BYTES_MAX) / BLOCK_BYTES;
    for await (const piece of this.#pieces(layer, end)) {
      copy.isWhole = copy.blocks + piece.end - piece.first <= blocksMax;
      if (!copy.isWhole) return;
      copy.file ??= await this.#begin(layer, path);
      copy.blocks += await copyPiece(layer.file, copy.file, piece);
    }
  }

  async #begin({ bytes }: TailedLayer, path: string): Promise<DiskFile> {
    const file = await this.#parts.disk.open(path, 'create');
    await file.truncate(bytes);
    return file;
  }

  async *#pieces({ table, blocks }: TailedLayer, end: EpochEnd): AsyncGenerator<Piece> {
    for (let from = 0; from < blocks; from += STEP_BLOCKS) {
      yield* beyond(table, { first: from, end: Math.min(from + STEP_BLOCKS, blocks) }, end);
      // The store's requests come first.
      await pause(this.#parts.clock);
    }
  }
}

/** What of these blocks is here, was written under the epoch and is beyond its end, in pieces. */
function beyond(table: TailedLayer['table'], within: Piece, { epoch, lastSequence }: EpochEnd): Piece[] {
  const pieces: Piece[] = [];
  let run = table.nextHeld(within.first, within.end, PIECE_BLOCKS);
  while (run !== undefined) {
    const end = run.first + run.count;
    const last = pieces.at(-1);
    if (epochOf(run.high) === epoch && sequenceOf(run.high, run.low) > lastSequence) {
      const goesOn = last?.end === run.first && end - last.first <= PIECE_BLOCKS;
      if (goesOn) pieces.pop();
      pieces.push({ first: goesOn ? last.first : run.first, end });
    }
    run = table.nextHeld(end, within.end, PIECE_BLOCKS);
  }
  return pieces;
}

/** Answers how many blocks were copied: what rotted is not. */
async function copyPiece(from: TailedLayer['file'], to: DiskFile, { first, end }: Piece): Promise<number> {
  await from.warm(first, end);
  const data = Buffer.alloc((end - first) * BLOCK_BYTES);
  if (from.read(data, first * BLOCK_BYTES)) {
    await to.write(data, first * BLOCK_BYTES);
    return end - first;
  }
  if (end - first === 1) return 0;
  const middle = Math.floor((first + end) / 2);
  const before = await copyPiece(from, to, { first, end: middle });
  return before + (await copyPiece(from, to, { first: middle, end }));
}
