// What an image's layers say together: a block is what the first layer from the top says that has an entry for it, and
// zeros where none has. An entry of zeros hides what is below it (SOUNDNESS A14). It writes nothing.

import type { FetchCause } from '../layers/block-fetcher.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { BlockFile } from '../store/block-file.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA, HERE } from '../table/version-run.ts';
import { blockOf, endBlockOf } from './block-range.ts';

/** The content of a block that is in a layer's data file. */
export const IN_FILE = DATA | HERE;

/** Neighbouring blocks whose content is in one layer and alike. */
export interface StackRun {
  /** The layer that has them; the top where none has. */
  readonly layer: LayerBlocks;
  /** As in a table: 0 where no layer has an entry. */
  readonly content: number;
  readonly end: number;
}

/** How many blocks of an image have their content here, and how many at which node; '' is nobody known. */
export interface StackCensus {
  readonly written: number;
  readonly local: number;
  readonly elsewhere: ReadonlyMap<string, number>;
}

/** The layers of one image, the newest first. */
export class BlockStack {
  readonly layers: readonly LayerBlocks[];
  readonly top: LayerBlocks;
  #census: { readonly mark: string; readonly census: StackCensus } | undefined;

  constructor(top: LayerBlocks, below: readonly LayerBlocks[]) {
    this.layers = [top, ...below];
    this.top = top;
  }

  /** Of all layers, for whichever images. */
  get fetchedBlocks(): Record<FetchCause, number> {
    const sum = (cause: FetchCause): number =>
      this.layers.reduce((total, { fetchedBlocks }) => total + fetchedBlocks[cause], 0);
    return { demand: sum('demand'), background: sum('background'), pushed: sum('pushed') };
  }

  /** `DATA` and `HERE` of a block. */
  contentOf(block: number): number {
    for (const { store } of this.layers) {
      const content = block < store.blocks ? store.table.contentOf(block) : 0;
      if (content !== 0) return content;
    }
    return 0;
  }

  /** The epoch that wrote the block, 0 for one never written. */
  epochAt(block: number): number {
    const { layer } = this.runAt(block, block + 1);
    return layer.store.table.epochAt(block);
  }

  /** The run that begins at a block, at most to `end`. */
  runAt(block: number, end: number): StackRun {
    let until = end;
    for (const layer of this.layers) {
      const { table, blocks } = layer.store;
      if (block >= blocks) continue;
      const inside = Math.min(until, blocks);
      const content = table.contentOf(block);
      const next = table.endOfContent(block, inside);
      if (content !== 0) return { layer, content, end: next };
      // Beyond a smaller layer's end there is nothing of it either.
      if (next < inside) until = next;
    }
    return { layer: this.top, content: 0, end: until };
  }

  /** The one file that has the content of all blocks from `first` to before `end`; undefined where there is none such. */
  fileOf(first: number, end: number): BlockFile | undefined {
    if (this.top.store.table.allInFile(first, end)) return this.top.store.file;
    if (this.layers.length === 1) return undefined;
    const run = this.runAt(first, end);
    return run.content === IN_FILE && run.end === end ? run.layer.store.file : undefined;
  }

  /** Whether some block from `first` to before `end` must be fetched before it can be read. */
  someMissing(first: number, end: number): boolean {
    if (this.layers.length === 1) return this.top.store.table.someMissing(first, end);
    return this.#isMissingAnywhere() && this.nextMissing(first, end, 1) !== undefined;
  }

  /** The next blocks at or after `from` (before `end`) that must be fetched. */
  nextMissing(from: number, end: number, countMax: number): { first: number; count: number } | undefined {
    if (this.layers.length === 1) return this.top.store.table.nextMissing(from, end, countMax);
    if (!this.#isMissingAnywhere()) return undefined;
    for (let block = from; block < end; ) {
      const isMissing = this.contentOf(block) === DATA;
      // A long run that is missing is asked for in many pieces, and must not be gone through for each.
      const run = this.runAt(block, isMissing ? Math.min(end, block + countMax) : end);
      if (isMissing) return { first: block, count: run.end - block };
      block = run.end;
    }
    return undefined;
  }

  /** Whether any of the blocks was asked of another node, in whichever layer, and is not here yet. */
  isAsked(first: number, end: number): boolean {
    return this.layers.some((layer) => layer.isAsked(first, end));
  }

  /**
   * Fills the buffer from blocks none of which is missing. False when the disk would have to be waited for, unless
   * `mayWait`; or one turned out to be spoilt: it is missing now.
   */
  read(into: Uint8Array, offset: number, mayWait: boolean): boolean {
    const endOffset = offset + into.length;
    const endBlock = endBlockOf(endOffset);
    for (let block = blockOf(offset); block < endBlock; ) {
      const { layer, content, end } = this.runAt(block, endBlock);
      const from = Math.max(offset, block * BLOCK_BYTES);
      const part = into.subarray(from - offset, Math.min(endOffset, end * BLOCK_BYTES) - offset);
      if (content === DATA || (content === IN_FILE && !layer.store.file.read(part, from, mayWait))) return false;
      if (content !== IN_FILE) part.fill(0);
      block = end;
    }
    return true;
  }

  /** Brings what is here of the blocks into the page cache; what the disk cannot read is missing from then on. */
  async warm(first: number, end: number): Promise<void> {
    for (let block = first; block < end; ) {
      const run = this.runAt(block, end);
      if (run.content === IN_FILE) await run.layer.warm(block, run.end);
      block = run.end;
    }
  }

  /** Whether a block can be read as it is: it is zeros, or here and what its version names. */
  isSound(block: number): boolean {
    const { layer, content } = this.runAt(block, block + 1);
    return (content & DATA) === 0 || (content === IN_FILE && layer.store.file.isSound(block));
  }

  /** Makes what is missing of the blocks local. @throws OperationError BLOCKS_LOST, or the disk's error */
  async fetch(first: number, end: number, cause: FetchCause): Promise<void> {
    if (this.layers.length === 1) return this.top.fetch(first, end, cause);
    const fetches: Promise<void>[] = [];
    for (let block = first; block < end; ) {
      const run = this.runAt(block, end);
      // What is being zeroed on the disk is waited for by the top, whatever it is now.
      if (run.content === DATA || run.layer === this.top) fetches.push(run.layer.fetch(block, run.end, cause));
      block = run.end;
    }
    await Promise.all(fetches);
  }

  /** Of the layers below what is hidden is not counted as missing: the image does not depend on it. */
  census(): StackCensus {
    const mark = this.layers.map(({ store }) => `${store.table.mark.entries} ${store.table.census().local}`).join();
    if (this.#census?.mark !== mark) this.#census = { mark, census: this.#count() };
    return this.#census.census;
  }

  #count(): StackCensus {
    const elsewhere = new Map<string, number>();
    const add = (node: string, blocks: number): void => void elsewhere.set(node, (elsewhere.get(node) ?? 0) + blocks);
    let written = 0;
    let local = 0;
    for (const layer of this.layers) {
      const { table } = layer.store;
      const census = table.census();
      written += table.mark.entries;
      local += census.local;
      if (layer === this.top)
        for (const [holder, blocks] of census.elsewhere) add(layer.store.holderName(holder), blocks);
      else this.#countSeen(layer, add);
    }
    return { written, local, elsewhere };
  }

  /** What is missing of a layer below where no layer above has an entry. */
  #countSeen(layer: LayerBlocks, add: (node: string, blocks: number) => void): void {
    const { table, blocks } = layer.store;
    for (let from = 0; ; ) {
      const missing = table.nextMissing(from, blocks, blocks);
      if (missing === undefined) return;
      from = missing.first + missing.count;
      for (let block = missing.first; block < from; ) {
        const run = this.runAt(block, from);
        if (run.layer === layer) add(layer.store.holderName(missing.holder), run.end - block);
        block = run.end;
      }
    }
  }

  #isMissingAnywhere(): boolean {
    return this.layers.some(({ store }) => store.table.hasMissing);
  }
}
