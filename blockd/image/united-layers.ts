// Whether layers that a merge is yet to make one here say together what the one is proven to say. The catalogue names of what
// was merged only what some node still has by itself, and a node that had none of a layer may be brought it afterwards by a
// writer that had not merged it yet: what is named may leave out what lies here.
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import { mergedMark } from '../table/merged-mark.ts';

/** Verdicts that are kept: one for each state of layers that lie here in parts. */
const KEPT_MAX = 256;

/** The verdicts of one store. */
export class UnitedLayers {
  readonly #pause: () => Promise<void>;
  readonly #found: () => void;
  /** By the layers with what their tables are, and the digest; undefined while it is being looked. */
  readonly #verdicts = new Map<string, boolean | undefined>();

  /** `found`: told when layers turn out to say so. */
  constructor(pause: () => Promise<void>, found: () => void) {
    this.#pause = pause;
    this.#found = found;
  }

  /** `over`: the newest first. False also as long as nobody knows. */
  say(lowest: LayerBlocks, over: readonly LayerBlocks[], digest: string): boolean {
    const parts = [...over, lowest].map(({ store }) => `${store.layer} ${store.table.mark.digest}`);
    const key = [...parts, digest].join();
    if (!this.#verdicts.has(key)) void this.#look(key, lowest, over, digest);
    return this.#verdicts.get(key) === true;
  }

  async #look(key: string, lowest: LayerBlocks, over: readonly LayerBlocks[], digest: string): Promise<void> {
    this.#verdicts.set(key, undefined);
    const [oldest] = this.#verdicts.keys();
    if (this.#verdicts.size > KEPT_MAX && oldest !== undefined) this.#verdicts.delete(oldest);
    const uppers = over.map(({ store }) => store.table);
    const mark = await mergedMark(lowest.store.table, uppers, this.#pause);
    const isSo = mark.digest === digest;
    this.#verdicts.set(key, isSo);
    if (isSo) this.#found();
  }
}
