// Whether layers that nobody changes say, together, what they said when somebody began to read them. A merge changes one of them
// below the other, and nobody who reads both sees that; who reads the lower one alone reads what something newer is made of.
import type { LayerBlocks } from '../layers/layer-blocks.ts';

/** One layer as it was at first. */
interface First {
  readonly digest: string;
  readonly parts: ReadonlySet<string>;
}

export class StillLayers {
  readonly #layers: readonly LayerBlocks[];
  readonly #first: ReadonlyMap<LayerBlocks, First>;
  readonly #newestAtFirst: number;

  /** As they are proven at this moment. */
  constructor(layers: readonly LayerBlocks[]) {
    this.#layers = layers;
    this.#newestAtFirst = Math.max(...layers.map(({ store }) => store.table.lastSequence));
    this.#first = new Map(layers.map((layer) => [layer, { digest: digestOf(layer), parts: new Set(partsOf(layer)) }]));
  }

  get isStill(): boolean {
    return this.#layers.every((layer) => this.#isStill(layer));
  }

  /**
   * Numbers go on over layers, also where two of them become one: a higher one is a later change. That a layer which says the
   * same took more of them than was known here may be heard later.
   */
  get #newest(): number {
    const same = this.#layers.filter((layer) => digestOf(layer) === this.#first.get(layer)?.digest);
    return Math.max(this.#newestAtFirst, ...same.map(({ store }) => store.table.lastSequence));
  }

  /** One that is sealed changes by merges alone, here or as it is told of others', and says the same below what is merged into it. */
  #isStill(layer: LayerBlocks): boolean {
    const { digest, parts } = this.#first.get(layer) ?? {};
    if (digestOf(layer) === digest) return true;
    const { table, state } = layer.store;
    const { role, merging = null } = state;
    const since = partsOf(layer).filter((part) => parts?.has(part) !== true);
    const changing = merging === null ? since : [merging.from.layer];
    const isBelowAll = changing.every((part) => this.#layers.some(({ store }) => store.layer === part));
    return role === 'sealed' && changing.length > 0 && isBelowAll && table.lastSequence <= this.#newest;
  }
}

function digestOf({ store }: LayerBlocks): string {
  return store.table.mark.digest;
}

/** What was merged into it, and what is as it is being told now. */
function partsOf({ store, hearsMerged }: LayerBlocks): string[] {
  return [...(store.state.merged ?? []), ...hearsMerged].map(({ layer }) => layer);
}
