// The way to all other nodes' blocks: one lane per node, layer and cause, so that what a guest waits for does not queue
// behind what is pulled in the background.
import type { Clock } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import type { BlockSource, FetchCause, FetchSink, WantedRun } from '../layers/block-fetcher.ts';
import { FetchLane } from './fetch-lane.ts';
import type { Dial } from './peer-stream.ts';
import type { Traffic } from './traffic.ts';

export interface PeerBlocksParts {
  readonly dial: Dial;
  readonly clock: Clock;
  readonly traffic: (layer: string) => Traffic;
  readonly log: Log;
}

/** Blocks of other stores over streams. */
export class PeerBlocks implements BlockSource {
  readonly #parts: PeerBlocksParts;
  readonly #lanes = new Map<string, FetchLane>();

  constructor(parts: PeerBlocksParts) {
    this.#parts = parts;
  }

  request(node: string, layer: string, runs: readonly WantedRun[], cause: FetchCause, sink: FetchSink): () => void {
    return this.#lane(node, layer, cause).request(runs, sink);
  }

  close(): void {
    for (const lane of this.#lanes.values()) lane.close();
    this.#lanes.clear();
  }

  #lane(node: string, layer: string, cause: FetchCause): FetchLane {
    const key = `${node} ${layer} ${cause}`;
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const { dial, clock, log } = this.#parts;
    const lane = new FetchLane({
      node,
      layer,
      cause,
      dial,
      clock,
      traffic: () => this.#parts.traffic(layer),
      waiting: (reason) => log.warn({ node, layer, cause, reason }, 'blocks wait for a node that cannot be reached'),
      resumed: () => log.info({ node, layer, cause }, 'blocks come again'),
    });
    this.#lanes.set(key, lane);
    return lane;
  }
}
