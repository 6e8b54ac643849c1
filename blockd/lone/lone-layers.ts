// Layers that nothing names any more, at a blockd that is alone: each is dropped, also after a restart. What the catalogue
// names is never dropped, and what was merged goes with its merge.
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { LONE_NODE } from '../../wire/contracts/alone.ts';
import type { Leaving } from '../../wire/contracts/catalogue.ts';
import { HERE, type LoneNode } from './lone-node.ts';

export class LoneLayers {
  readonly #node: LoneNode;
  readonly #log: Pick<Log, 'info'>;

  constructor(node: LoneNode, log: Pick<Log, 'info'>) {
    this.#node = node;
    this.#log = log;
  }

  /** Drops what is to leave; one that is still read goes with the next sweep. Answers whether nothing is left. Never rejects. */
  async sweep(): Promise<boolean> {
    const { records, catalogue, store } = this.#node;
    const dropped = (): Leaving[] => records.leaving.filter(({ merge }) => merge === undefined);
    for (const { layer } of dropped()) {
      try {
        await store['layer.drop']({ layer }, HERE);
        await catalogue['layer.gone']({ layer, node: LONE_NODE }, HERE);
      } catch (error) {
        this.#log.info({ layer, reason: messageOf(error) }, 'a layer goes later');
      }
    }
    return dropped().length === 0;
  }
}
