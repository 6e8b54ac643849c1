// The way to a layer's blocks at nodes that have not merged it yet: who denies a block under the layer's name is asked for it
// under that of the layer that it came from, which the version tells. Each request ends with all that was asked for it.
import type { MergedLayer } from '../../wire/contracts/layers.ts';
import { sequenceOf } from '../table/block-version.ts';
import type { BlockSource, FetchCause, FetchSink, WantedRun } from './block-fetcher.ts';

/** Blocks of one layer, whatever their holders call them. */
export class MergedSource implements BlockSource {
  readonly #source: BlockSource;
  readonly #merged: () => readonly MergedLayer[];

  constructor(source: BlockSource, merged: () => readonly MergedLayer[]) {
    this.#source = source;
    this.#merged = merged;
  }

  request(node: string, layer: string, runs: readonly WantedRun[], cause: FetchCause, sink: FetchSink): () => void {
    let isEnded = false;
    const ends: (() => void)[] = [];
    const askUnder = (names: readonly string[], run: WantedRun, hint: string): void => {
      const [name, ...others] = isEnded ? [] : names;
      if (name === undefined) sink.absent(run, hint);
      else {
        const absent = (denied: WantedRun): void => askUnder(others, denied, hint);
        ends.push(this.#source.request(node, name, [run], cause, { arrived: sink.arrived, absent }));
      }
    };
    const askAgain = (run: WantedRun, hint: string): void => askUnder(this.#namesBefore(run), run, hint);
    ends.push(this.#source.request(node, layer, runs, cause, { arrived: sink.arrived, absent: askAgain }));
    return () => {
      isEnded = true;
      for (const end of ends) end();
    };
  }

  /**
   * Numbers go on over an image's layers: each of them has those that are above the next lower one's last. One without entries
   * has the last number of the one below it, and so has one that took another in: any of these may be the name there.
   */
  #namesBefore({ high, low }: WantedRun): string[] {
    const sequence = sequenceOf(high, low);
    const above = this.#merged().filter(({ lastSequence }) => lastSequence >= sequence);
    const lowest = Math.min(...above.map(({ lastSequence }) => lastSequence));
    return above.filter(({ lastSequence }) => lastSequence === lowest).map(({ layer }) => layer);
  }
}
