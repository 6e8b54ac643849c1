// Layers that nothing names any more: every node that was a member then is asked to let them go, until it says that it has
// (SOUNDNESS A21). What the catalogue names is never dropped.
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Leaving } from '../../wire/contracts/catalogue.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { Cluster } from '../cluster.ts';

/** A layer that something needs, as it is by now. */
interface NamedLayer {
  readonly newest: SealedLayer;
  /** A node that has it. */
  readonly holder: string;
  /** The nodes that write images which stand on it, or wrote them last. */
  readonly writers: readonly string[];
}

const NONE: ReadonlyMap<string, NamedLayer> = new Map();

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

  /**
   * Asks the nodes that are up, and answers those that have not let go. Of what is merged the node that writes the image is
   * first, and what the others say counts only after that: as long as it has the layer apart it may give it, for a copy, to one
   * that had let it go.
   */
  async sweepOf(leaving: readonly Leaving[]): Promise<string[]> {
    const lower = await this.#lowerOf(leaving);
    const firsts = leaving.map((one) => ({ ...one, nodes: writersOf(one, lower) }));
    const waiting = await this.#sweepNow(firsts, lower, true);
    const others = (isEarly: boolean): Leaving[] =>
      leaving
        .filter((one) => writersOf(one, lower).some((node) => waiting.includes(node)) === isEarly)
        .map((one) => ({ ...one, nodes: one.nodes.filter((node) => !writersOf(one, lower).includes(node)) }));
    const early = others(true);
    await this.#sweepNow(early, lower, false);
    const due = await this.#sweepNow(others(false), lower, true);
    return [...new Set([...waiting, ...early.flatMap(({ nodes }) => nodes), ...due])].sort();
  }

  async #lowerOf(leaving: readonly Leaving[]): Promise<ReadonlyMap<string, NamedLayer>> {
    return leaving.some(({ merge }) => merge !== undefined) ? await this.#named() : NONE;
  }

  async #sweepNow(
    leaving: readonly Leaving[],
    lower: ReadonlyMap<string, NamedLayer>,
    counts: boolean,
  ): Promise<string[]> {
    const nodes = [...new Set(leaving.flatMap((one) => one.nodes))];
    const waiting = await Promise.all(
      nodes.map(async (node) => {
        const layers = leaving.filter((one) => one.nodes.includes(node));
        // In the order in which they were merged: each goes into what the ones before have made.
        layers.sort((one, other) => (one.merge?.serial ?? 0) - (other.merge?.serial ?? 0));
        return (await this.#dropAll(node, layers, lower, counts)) ? [] : [node];
      }),
    );
    return waiting.flat();
  }

  /** What the catalogue has merged into these layers is merged at a node too, where the node can. @throws OperationError of the catalogue */
  async mergedAt(node: string, layers: readonly string[]): Promise<void> {
    const isDue = ({ nodes, merge }: Leaving): boolean =>
      nodes.includes(node) && merge !== undefined && layers.includes(merge.target);
    const due = (await this.leaving()).filter(isDue);
    // Whether it counts is for the next sweep to say.
    await this.#sweepNow(
      due.map((one) => ({ ...one, nodes: [node] })),
      await this.#lowerOf(due),
      false,
    );
  }

  /** Every layer that does not change, as it is by now, and a node that has it. */
  async #named(): Promise<ReadonlyMap<string, NamedLayer>> {
    const { catalogue } = this.#cluster.controller;
    const [{ heads }, { snapshots }] = await Promise.all([
      catalogue.call('image.list', {}),
      catalogue.call('snapshot.list', {}),
    ]);
    const named = new Map<string, NamedLayer>();
    for (const { disks } of snapshots)
      for (const { layers, holder } of disks)
        for (const newest of layers) named.set(newest.layer, { newest, holder, writers: [] });
    for (const { stack, writer, holder } of heads)
      for (const newest of stack.below) {
        const at = writer ?? holder;
        const writers = [...(named.get(newest.layer)?.writers ?? []), at];
        named.set(newest.layer, { newest, holder: at, writers });
      }
    return named;
  }

  async #dropAll(
    node: string,
    layers: readonly Leaving[],
    lower: ReadonlyMap<string, NamedLayer>,
    counts: boolean,
  ): Promise<boolean> {
    if (!this.#cluster.isUp(node)) return false;
    try {
      for (const leaving of layers) {
        if (!(await this.#letGo(node, leaving, lower))) return false;
        if (counts) await this.#cluster.controller.catalogue.call('layer.gone', { layer: leaving.layer, node });
      }
      return true;
    } catch (error) {
      const reason = messageOf(error);
      if (codeOf(error) === 'LAYER_IN_USE') this.#log.info({ node, reason }, 'a layer is still read there');
      else this.#log.warn({ node, reason }, 'a node has not let go of a layer yet');
      return false;
    }
  }

  /** Whether the node has let it go; of one that was merged it keeps the blocks, as long as something needs them. */
  async #letGo(node: string, { layer, merge }: Leaving, lower: ReadonlyMap<string, NamedLayer>): Promise<boolean> {
    const { blockd } = this.#cluster.clients(node);
    const named = merge === undefined ? undefined : lower.get(merge.target);
    if (merge === undefined || named === undefined) {
      // What it is a part of may have become a part of another one since that was asked for: the blocks are that one's then.
      const { isNeeded } = await this.#cluster.controller.catalogue.call('layer.needed', { layer });
      if (isNeeded) return false;
      await blockd.call('layer.drop', { layer });
      return true;
    }
    const { from, into, merged } = merge;
    const { newest, holder } = named;
    const order = { merge: { from, into, merged }, newest, source: this.#cluster.endpoint(holder) };
    return (await blockd.call('layer.merge', order)).isDone;
  }
}

/** The nodes that are to let it go and write an image that stands on what it is a part of. */
function writersOf({ nodes, merge }: Leaving, lower: ReadonlyMap<string, NamedLayer>): string[] {
  const writers = merge === undefined ? [] : (lower.get(merge.target)?.writers ?? []);
  return nodes.filter((node) => writers.includes(node));
}
