// What a store does with its layers while nobody asks: the scrub, the room that is given back, the cap on what is only
// cached. Wires them and decides which layers may be let go of.
import type { Clock } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import { keepQuestion } from '../peer/keep-question.ts';
import type { Dial } from '../peer/peer-stream.ts';
import { CacheCap, type CacheLimits } from './cache-cap.ts';
import type { ImageHost } from './image-host.ts';
import { isOpen } from './image-roles.ts';
import type { LayerBlocks } from './layer-blocks.ts';
import type { LayerShelf } from './layer-shelf.ts';
import { Reclaim } from './reclaim.ts';
import { Scrub } from './scrub.ts';

export interface UpkeepParts {
  readonly layers: LayerShelf;
  readonly hosts: () => readonly ImageHost[];
  /** The members' names. */
  readonly members: () => readonly string[];
  /** This node's name. */
  readonly node: string;
  /** Without it nothing is let go of. */
  readonly cache?: CacheLimits;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
}

/** The upkeep of one store. */
export class Upkeep {
  readonly #scrub: Scrub;
  readonly #reclaim: Reclaim;
  readonly #cap: CacheCap | undefined;

  constructor({ layers, hosts, members, node, cache, dial, clock, log }: UpkeepParts) {
    this.#scrub = new Scrub({ layers: () => layers.all, clock, log });
    const cached = (): LayerBlocks[] => cachedLayers(layers, hosts());
    this.#reclaim = new Reclaim({ layers: cached, clock, log });
    if (cache === undefined) return;
    const ask = keepQuestion({ dial, clock });
    const others = (): string[] => members().filter((name) => name !== node);
    this.#cap = new CacheCap({ limits: cache, layers: cached, members: others, ask, clock, log });
  }

  start(): void {
    this.#scrub.start();
    this.#reclaim.start();
    this.#cap?.start();
  }

  stop(): void {
    this.#scrub.stop();
    this.#reclaim.stop();
    this.#cap?.stop();
  }
}

/** Those that no image that is open here consists of, that nobody reads and whose store is well. */
function cachedLayers(layers: LayerShelf, hosts: readonly ImageHost[]): LayerBlocks[] {
  const open = hosts.map(({ image }) => image.store).filter(({ state }) => isOpen(state.role));
  const used = new Set(open.flatMap(({ layer, state }) => [layer, ...state.below.map((sealed) => sealed.layer)]));
  return layers.all.filter(
    ({ store: { layer, state, failure } }) =>
      !isOpen(state.role) && !used.has(layer) && !layers.isRead(layer) && failure === undefined,
  );
}
