// Contents that lie here already, in a layer that was merged into the one that lacks them: this store may be the only one
// that has them, and nobody asks himself. What is not here as its version names it goes on to the other source.
import type { BlockSource, FetchCause, FetchSink, WantedRun } from '../layers/block-fetcher.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import type { ImageStore } from '../store/image-store.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';

/** 256 KiB is read in one step: guests wait for this thread. */
const STEP_BLOCKS = 64;

export interface OwnSourceParts {
  readonly layers: Pick<LayerShelf, 'find' | 'reading'>;
  /** The layers' ids; most are not here. */
  readonly merged: readonly string[];
  readonly others: BlockSource;
}

/** A request that may have ended, and what ends the parts of it that others are asked for. */
interface Asking {
  isEnded: boolean;
  readonly ends: (() => void)[];
}

/** Blocks of one version that are read in one step, of this store's layer. */
interface Piece {
  readonly run: WantedRun;
  readonly store: ImageStore | undefined;
}

/** This store first, then others. */
export class OwnSource implements BlockSource {
  readonly #parts: OwnSourceParts;

  constructor(parts: OwnSourceParts) {
    this.#parts = parts;
  }

  request(node: string, layer: string, runs: readonly WantedRun[], cause: FetchCause, sink: FetchSink): () => void {
    const asking: Asking = { isEnded: false, ends: [] };
    const ask = (wanted: readonly WantedRun[]): void => {
      if (wanted.length > 0 && !asking.isEnded)
        asking.ends.push(this.#parts.others.request(node, layer, wanted, cause, sink));
    };
    const { layers, merged } = this.#parts;
    const here = merged.flatMap((one) => layers.find(one)?.store ?? []);
    const pieces = here.length === 0 ? [] : runs.flatMap((run) => piecesOf(run, here));
    const own = pieces.filter(({ store }) => store !== undefined);
    ask(here.length === 0 ? runs : pieces.filter(({ store }) => store === undefined).map(({ run }) => run));
    if (own.length > 0) void this.#take(own, asking, sink).then(ask);
    return () => {
      asking.isEnded = true;
      for (const end of asking.ends) end();
    };
  }

  /** Answers those that could not be read. */
  async #take(own: readonly Piece[], asking: Asking, sink: FetchSink): Promise<WantedRun[]> {
    const left: WantedRun[] = [];
    for (const piece of own) {
      if (asking.isEnded) return [];
      const data = await this.#read(piece).catch(() => undefined);
      if (data === undefined) left.push(piece.run);
      else if (!asking.isEnded) sink.arrived(piece.run, data);
    }
    return left;
  }

  /** Nothing where it is not here any more, or not what its version names. @throws Error of the disk */
  async #read({ run, store }: Piece): Promise<Buffer | undefined> {
    const { layers } = this.#parts;
    const [first, end] = [run.first, run.first + run.count];
    if (store === undefined || layers.find(store.layer)?.store !== store) return undefined;
    return layers.reading([store.layer], async () => {
      await store.file.warm(first, end);
      const data = Buffer.allocUnsafe(run.count * BLOCK_BYTES);
      return has(store, run, first, end) && store.file.read(data, first * BLOCK_BYTES) ? data : undefined;
    });
  }
}

/** The run in pieces that lie in one layer, or in none. */
function piecesOf(run: WantedRun, here: readonly ImageStore[]): Piece[] {
  const pieces: Piece[] = [];
  const storeOf = (block: number): ImageStore | undefined => here.find((store) => has(store, run, block, block + 1));
  const end = run.first + run.count;
  for (let block = run.first; block < end; ) {
    const store = storeOf(block);
    let until = block + 1;
    while (until < end && until - block < STEP_BLOCKS && storeOf(until) === store) until++;
    pieces.push({ run: { ...run, first: block, count: until - block }, store });
    block = until;
  }
  return pieces;
}

/** Whether all of the blocks lie there in that version. */
function has({ table, blocks }: ImageStore, { high, low }: WantedRun, first: number, end: number): boolean {
  if (end > blocks || !table.allInFile(first, end)) return false;
  for (let block = first; block < end; block++) if (!table.equals(block, high, low)) return false;
  return true;
}
