// Merges layers that nothing needs by themselves any more, so that an image's stack stays as deep as what is kept of it, and
// room comes back. One merge into a layer at a time; a node that is away keeps nobody from the next one.
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { type LayerPair, mergeablePairs } from '../../common/mergeable-layers.ts';
import type { Leaving } from '../../wire/contracts/catalogue.ts';
import type { Cluster } from '../cluster.ts';
import type { LayerSweep } from './layer-sweep.ts';

/** What passes by itself: asked again at the next look. */
const PASSING = ['LAYER_NEEDED', 'LAYER_BUSY', 'LAYER_ELSEWHERE'];

/** In one look: an image whose recovery points are some seconds apart has several to merge in the time between two looks. */
const ROUNDS_MAX = 16;

export interface LayerMergingParts {
  readonly cluster: Cluster;
  readonly sweep: Pick<LayerSweep, 'sweepOf'>;
  readonly log: Log;
}

export class LayerMerging {
  readonly #parts: LayerMergingParts;
  /** Why a merge into a layer did not begin; told once. */
  readonly #reasons = new Map<string, string>();

  constructor(parts: LayerMergingParts) {
    this.#parts = parts;
  }

  /** Does what can be done now; meant to be repeated every few seconds. */
  async look(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX && (await this.#round()); round++);
  }

  /** Whether a merge is done everywhere that is up, so that the next one may begin. */
  async #round(): Promise<boolean> {
    const { catalogue } = this.#parts.cluster.controller;
    const [{ heads }, { snapshots }, { leaving }] = await Promise.all([
      catalogue.call('image.list', {}),
      catalogue.call('snapshot.list', {}),
      catalogue.call('layer.leaving', {}),
    ]);
    const pairs = mergeablePairs(heads, snapshots).filter((pair) => !this.#isUnderWay(pair, leaving));
    const done = await Promise.all(pairs.map((pair) => this.#merge(pair)));
    const lower = new Set(pairs.map(({ into }) => into.layer));
    for (const layer of this.#reasons.keys()) if (!lower.has(layer)) this.#reasons.delete(layer);
    return done.includes(true);
  }

  /** Whether a node that is up has not merged yet what was merged into either of the two. */
  #isUnderWay({ from, into }: LayerPair, leaving: readonly Leaving[]): boolean {
    const { cluster } = this.#parts;
    return leaving.some(
      ({ nodes, merge }) =>
        (merge?.target === into.layer || merge?.target === from.layer) && nodes.some((node) => cluster.isUp(node)),
    );
  }

  /** Never rejects. */
  async #merge({ from, into, holder }: LayerPair): Promise<boolean> {
    const { cluster, sweep, log } = this.#parts;
    if (!cluster.isUp(holder)) return false;
    try {
      const { merged } = await cluster.clients(holder).blockd.call('merge.plan', { from, into });
      const nodes = cluster.endpoints().map(({ node }) => node);
      const merge = { from, into, merged };
      const { leaving } = await cluster.controller.catalogue.call('layer.merge', { merge, nodes });
      log.info({ from: from.layer, into: into.layer }, 'a layer is merged');
      this.#reasons.delete(into.layer);
      return (await sweep.sweepOf(leaving)).every((node) => !cluster.isUp(node));
    } catch (error) {
      const reason = messageOf(error);
      const isKnown = PASSING.includes(codeOf(error) ?? '') || this.#reasons.get(into.layer) === reason;
      this.#reasons.set(into.layer, reason);
      if (!isKnown) log.warn({ from: from.layer, into: into.layer, reason }, 'a layer is not merged yet');
      return false;
    }
  }
}
