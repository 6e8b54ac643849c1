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
    const askAgain = (run: WantedRun, hint: string): void => {
      const before = isEnded ? undefined : this.#nameBefore(run);
      if (before === undefined) sink.absent(run, hint);
      else
        ends.push(
          this.#source.request(node, before, [run], cause, {
            arrived: sink.arrived,
            absent: (denied) => sink.absent(denied, hint),
          }),
        );
    };
    ends.push(this.#source.request(node, layer, runs, cause, { arrived: sink.arrived, absent: askAgain }));
    return () => {
      isEnded = true;
      for (const end of ends) end();
    };
  }

  /** Numbers go on over an image's layers: each of them has those that are above the next lower one's last. */
  #nameBefore({ high, low }: WantedRun): string | undefined {
    const sequence = sequenceOf(high, low);
    const above = this.#merged().filter(({ lastSequence }) => lastSequence >= sequence);
    return above.reduce<(typeof above)[number] | undefined>(
      (lowest, one) => (lowest === undefined || one.lastSequence < lowest.lastSequence ? one : lowest),
      undefined,
    )?.layer;
  }
}
