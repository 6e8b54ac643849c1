// The contents of the blocks that a barrier makes durable, taken in the very step in which the barrier begins: what is
// written over them a moment later cannot keep a copy from ever getting what a flush has promised. Bounded in memory.
import type { WantedRun } from '../layers/block-fetcher.ts';
import { ANSWER_BLOCKS_MAX } from '../peer/peer-frame.ts';
import type { ImageStore } from '../store/image-store.ts';
import { BLOCK_BYTES, epochOf } from '../table/block-version.ts';
import { DATA, readRuns } from '../table/version-run.ts';

/** Of one barrier; a copy asks for the others. 32 MiB are some 10 ms of copying. */
const TAKEN_BLOCKS_MAX = (32 * 2 ** 20) / BLOCK_BYTES;

/** Blocks with one version, and their contents. */
export interface RunData {
  readonly run: WantedRun;
  readonly data: Buffer;
}

/** The newest barrier's contents of one layer, for all its copies. */
export class BarrierData {
  readonly #store: ImageStore;
  readonly #blocksMax: number;
  #runs: Buffer | undefined;
  #data: RunData[] = [];
  /** Left out of an earlier barrier: they come first, so that none is left out for ever. */
  #owed = new Set<number>();

  constructor(store: ImageStore, blocksMax = TAKEN_BLOCKS_MAX) {
    this.#store = store;
    this.#blocksMax = blocksMax;
  }

  /** In the step in which the barrier with these runs begins; the second time nothing. */
  take(runs: Buffer): void {
    if (this.#runs === runs) return;
    this.#runs = runs;
    this.#data = [];
    const pieces = [...this.#piecesOf(runs)];
    const isOwed = ({ first, count }: WantedRun): boolean =>
      Array.from({ length: count }, (_, index) => first + index).some((block) => this.#owed.has(block));
    const [owed, others] = [pieces.filter(isOwed), pieces.filter((piece) => !isOwed(piece))];
    let left = this.#blocksMax;
    this.#owed = new Set();
    for (const piece of [...owed, ...others]) {
      if (piece.count <= left && this.#read(piece)) left -= piece.count;
      else for (let index = 0; index < piece.count; index++) this.#owed.add(piece.first + index);
    }
  }

  /** What was taken of the barrier with these runs. */
  of(runs: Buffer): readonly RunData[] {
    return this.#runs === runs ? this.#data : [];
  }

  /** What the writer has written, in answers' sizes: what it has fetched is at other stores already. */
  *#piecesOf(runs: Buffer): Generator<WantedRun> {
    const { epoch } = this.#store.state;
    for (const { first, count, high, low, flags } of readRuns(runs)) {
      if ((flags & DATA) === 0 || epochOf(high) !== epoch) continue;
      for (let from = 0; from < count; from += ANSWER_BLOCKS_MAX) {
        yield { first: first + from, count: Math.min(ANSWER_BLOCKS_MAX, count - from), high, low };
      }
    }
  }

  /** False when some block is not what its version names any more. @throws never: what cannot be read is asked for */
  #read(run: WantedRun): boolean {
    const data = Buffer.allocUnsafe(run.count * BLOCK_BYTES);
    try {
      if (!this.#store.file.read(data, run.first * BLOCK_BYTES)) return false;
    } catch {
      return false;
    }
    this.#data.push({ run, data });
    return true;
  }
}
