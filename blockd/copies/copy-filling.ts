// Brings what a copy lacks: the layers below, what is known to be missing, and what is here in an older version. Changes
// nothing by itself but what fetches install.
import type { Clock, Timer } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import type { MergedLayer, SealedLayer } from '../../wire/contracts/layers.ts';
import type { BlockSource, WantedRun } from '../layers/block-fetcher.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import { MergedSource } from '../layers/merged-source.ts';
import { PeerBlocks } from '../peer/peer-blocks.ts';
import type { Dial } from '../peer/peer-stream.ts';
import type { KeptTable } from './kept-table.ts';
import { OwnSource } from './own-source.ts';

/** Blocks asked of the writer at a time; 4 MiB fill 200 Mbit/s at 75 ms. */
const ASKED_MAX = 1_024;
/** How soon a copy that lacks something makes durable what it has, and asks again for what it could not get. */
const LATER_MS = 1_000;
/** Whoever but the writer is to have something has not answered by then: the writer may have got it meanwhile. */
const ELSEWHERE_MS = 5_000;
/** No rate: a copy that lacks something keeps flushes waiting. */
const NO_RATE = Number.MAX_SAFE_INTEGER;

/** Where layers are kept. */
export type FillingLayers = Pick<LayerShelf, 'seed' | 'fillLayer' | 'trafficOf' | 'find' | 'reading'>;

export interface CopyFillingParts {
  readonly layer: LayerBlocks;
  readonly table: KeptTable;
  /** The writer's name. */
  readonly source: string;
  readonly layers: FillingLayers;
  /** What was merged into the layer and may lie here by itself, or elsewhere under its own name. */
  readonly merged?: readonly MergedLayer[] | undefined;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** Something has come, or may be asked for again. */
  came(): void;
  failed(error: unknown): void;
}

/** What one copy lacks. */
export class CopyFilling {
  readonly #parts: CopyFillingParts;
  /** The writer, and whom it names. */
  readonly #peers: PeerBlocks;
  readonly #source: BlockSource;
  readonly #asked = new Set<number>();
  #isFilling = false;
  #later: Timer | undefined;

  constructor(parts: CopyFillingParts) {
    this.#parts = parts;
    const { layers, layer, merged = [] } = parts;
    this.#peers = new PeerBlocks({ ...parts, traffic: () => layers.trafficOf(layer.store.layer) });
    const others = new MergedSource(this.#peers, () => merged);
    this.#source = new OwnSource({ layers, merged: merged.map((one) => one.layer), others });
  }

  /** All blocks of them, durably. @throws OperationError CANCELLED, BLOCKS_LOST; Error of the disk */
  async bringBelow(below: readonly SealedLayer[]): Promise<void> {
    if (below.length > 0) await this.#parts.layers.seed({ ...this.#job, layers: below });
  }

  /**
   * What is missing comes by the ways of every other block; what is still here in another version, from the writer, or from
   * whom it names.
   */
  fill(): void {
    const { layer, layers } = this.#parts;
    this.#ask();
    for (const place of this.#parts.table.places) this.#ask(place);
    this.#lookLater();
    if (this.#isFilling || !layer.store.table.hasMissing) return;
    this.#isFilling = true;
    const done = (): void => {
      this.#isFilling = false;
      this.#parts.came();
    };
    layers.fillLayer(layer, this.#job).then(done, (error: unknown) => this.#parts.failed(error));
  }

  close(): void {
    this.#later?.cancel();
    this.#peers.close();
  }

  get #job(): Parameters<LayerShelf['fillLayer']>[1] {
    const { source, signal } = this.#parts;
    return { source, signal, rateBytesPerSecond: NO_RATE, progress: () => undefined };
  }

  /** The place for what it is to have, or the writer. */
  #ask(place?: string): void {
    if (this.#asked.size >= ASKED_MAX) return;
    const { table, layer, source, came } = this.#parts;
    const runs = table.wanted(ASKED_MAX - this.#asked.size, (block) => this.#asked.has(block), place);
    if (runs.length === 0) return;
    const open = new Set(runs.flatMap(blocksOf));
    for (const block of open) this.#asked.add(block);
    const answered = (run: WantedRun): void => {
      for (const block of blocksOf(run)) if (open.delete(block)) this.#asked.delete(block);
    };
    const cancel = this.#source.request(place ?? source, layer.store.layer, runs, 'background', {
      arrived: (run, data) => {
        answered(run);
        table.arrived(run, data);
        came();
      },
      absent: (run, hint) => {
        answered(run);
        if (place !== undefined) table.nowhere(run);
        // What it has overwritten it tells of soon; what it has not got itself is to be had elsewhere.
        else if (hint === '') table.denied(run);
        else if (hint !== source) table.elsewhere(run, hint);
        this.#lookLater();
      },
    });
    if (place === undefined) return;
    this.#parts.clock.setTimer(ELSEWHERE_MS, () => {
      if (open.size === 0 || this.#parts.signal.aborted) return;
      cancel();
      for (const run of runs) {
        answered(run);
        table.nowhere(run);
      }
      came();
    });
  }

  /** What has come is kept over a restart, and what could not be had is asked for again. */
  #lookLater(): void {
    const { clock, layer, signal, came, failed } = this.#parts;
    if (this.#later !== undefined || signal.aborted) return;
    this.#later = clock.setTimer(LATER_MS, () => {
      this.#later = undefined;
      layer.store.flush()?.catch(failed);
      came();
    });
  }
}

function blocksOf({ first, count }: WantedRun): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
