// Layers that nothing names any more: every node that was a member then is asked to let them go, until it says that it has
// (SOUNDNESS A21). What the catalogue names is never dropped.
import { codeOf, messageOf } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { Leaving } from '../wire/contracts/catalogue.ts';
import type { Cluster } from './cluster.ts';

export class LayerSweep {
  readonly #cluster: Cluster;
  readonly #log: Log;

  constructor(options: { cluster: Cluster; log: Log }) {
    this.#cluster = options.cluster;
    this.#log = options.log;
  }

  /** What is still to leave some node. */
  async leaving(): Promise<Leaving[]> {
    return (await this.#cluster.controller.catalogue.call('layer.leaving', {})).leaving;
  }

  /** Layers of a creation that came to nothing go, unless something names them. Never rejects. */
  async leave(layers: string[], nodes: string[]): Promise<void> {
    try {
      const { leaving } = await this.#cluster.controller.catalogue.call('layer.leave', { layers, nodes });
      await this.sweepOf(leaving);
    } catch (error) {
      this.#log.warn({ layers, nodes, reason: messageOf(error) }, 'what is left of a creation goes with the next one');
    }
  }

  /** Once more everything that is still to leave. */
  async sweep(): Promise<void> {
    await this.sweepOf(await this.leaving());
  }

  /** Asks the nodes that are up, and answers those that have not let go. */
  async sweepOf(leaving: readonly Leaving[]): Promise<string[]> {
    const nodes = [...new Set(leaving.flatMap((one) => one.nodes))].sort();
    const waiting = await Promise.all(
      nodes.map(async (node) => {
        const layers = leaving.filter((one) => one.nodes.includes(node)).map(({ layer }) => layer);
        return (await this.#dropAll(node, layers)) ? [] : [node];
      }),
    );
    return waiting.flat();
  }

  async #dropAll(node: string, layers: readonly string[]): Promise<boolean> {
    if (!this.#cluster.isUp(node)) return false;
    try {
      for (const layer of layers) {
        await this.#cluster.clients(node).blockd.call('layer.drop', { layer });
        await this.#cluster.controller.catalogue.call('layer.gone', { layer, node });
      }
      return true;
    } catch (error) {
      const reason = messageOf(error);
      if (codeOf(error) === 'LAYER_IN_USE') this.#log.info({ node, reason }, 'a layer is still read there');
      else this.#log.warn({ node, reason }, 'a node has not let go of a layer yet');
      return false;
    }
  }
}
