// Merges the layers of a simulated disk that nothing needs by themselves, as the orchestrator does: planned where the upper
// one is, committed, and then asked of every node until each has merged what it has.
import { mergeLayers } from '../../blockd/catalogue/catalogue-merges.ts';
import { codeOf } from '../../common/errors.ts';
import { type LayerPair, mergeablePairs } from '../../common/mergeable-layers.ts';
import type { Leaving } from '../../wire/contracts/catalogue.ts';
import { BlockCalls, CONTEXT, endpoint, RETRY_MS } from './block-calls.ts';
import type { BlockHead } from './block-head.ts';
import type { BlockNode } from './block-node.ts';
import type { World } from './world.ts';

const PLAN_TIMEOUT_MS = 10_000;
const MERGE_TIMEOUT_MS = 30_000;
/** Bounds the last merges: each takes one round at the least. */
const ROUNDS_MAX = 2_000;

export class BlockMerges {
  /** That were committed. */
  merged = 0;
  readonly #nodes: readonly BlockNode[];
  readonly #head: BlockHead;
  readonly #calls: BlockCalls;
  /** Nodes that are being asked. */
  readonly #asked = new Set<string>();
  #isPlanning = false;

  constructor(world: World, nodes: readonly BlockNode[], head: BlockHead) {
    this.#nodes = nodes;
    this.#head = head;
    this.#calls = new BlockCalls(world, 'merges');
  }

  /** What can be begun now is. Never rejects. */
  async look(): Promise<void> {
    await Promise.all([this.#plan(), ...this.#nodes.map((node) => this.#sweep(node))]);
  }

  /** Nothing fails any more: goes on until nothing is left to merge. @throws Error when there is no end of it */
  async finish(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      await this.look();
      if (this.#head.leaving.length === 0 && this.#pairs().length === 0) return;
      await this.#calls.after(RETRY_MS);
    }
    throw new Error(`layers wait to be merged: ${JSON.stringify(this.#head.leaving)}`);
  }

  #pairs(): LayerPair[] {
    const { head, snapshots } = this.#head;
    return mergeablePairs([head], snapshots);
  }

  async #plan(): Promise<void> {
    const [pair] = this.#pairs();
    // One merge into a layer at a time; a node that is away keeps nobody from the next one.
    if (pair === undefined || this.#isPlanning || this.#isUnderWay(pair.from.layer, pair.into.layer)) return;
    const { from, into, holder } = pair;
    this.#isPlanning = true;
    try {
      const { merged } = await this.#calls.call(
        this.#node(holder),
        (calls) => calls['merge.plan']({ from, into }, CONTEXT),
        PLAN_TIMEOUT_MS,
      );
      const { leaving, serial, entry, snapshots } = this.#head;
      const records = {
        state: { incarnation: 1, serial, behind: '' },
        entries: [entry],
        snapshots,
        leaving: [...leaving],
      };
      const nodes = this.#nodes.map(({ name }) => name);
      this.#head.commitAll(mergeLayers(records, { merge: { from, into, merged }, nodes }));
      this.merged++;
    } catch (error) {
      // What is refused now, or was not answered, is planned again.
      if (codeOf(error) === undefined) throw error;
    } finally {
      this.#isPlanning = false;
    }
  }

  #isUnderWay(from: string, into: string): boolean {
    return this.#head.leaving.some(({ nodes, merge }) => {
      const isUp = this.#nodes.some(({ name, process }) => nodes.includes(name) && process.state === 'up');
      return isUp && (merge?.target === into || merge?.target === from);
    });
  }

  /** In the order in which they were committed: each goes into what the ones before have made. */
  async #sweep(node: BlockNode): Promise<void> {
    if (this.#asked.has(node.name)) return;
    this.#asked.add(node.name);
    const left = this.#head.leaving.filter(({ nodes }) => nodes.includes(node.name));
    try {
      for (const one of left.sort((a, b) => (a.merge?.serial ?? 0) - (b.merge?.serial ?? 0))) {
        // As long as the writer has not merged it, it may bring it back, for a copy: what others say does not count yet.
        const { writer } = this.#head;
        const isEarly = node.name !== writer && one.nodes.includes(writer);
        if (!(await this.#merge(node, one))) return;
        if (!isEarly) this.#head.gone(one.layer, node.name);
      }
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      if (codeOf(error) === 'IMAGE_UNUSABLE') node.kill();
    } finally {
      this.#asked.delete(node.name);
    }
  }

  async #merge(node: BlockNode, { layer, merge }: Leaving): Promise<boolean> {
    // As it is by now: a merge before may have made more of it.
    const target = this.#head.leaving.find((one) => one.layer === layer)?.merge?.target ?? '';
    const newest = this.#head.head.stack.below.find((one) => one.layer === target);
    if (merge === undefined || newest === undefined) throw new Error(`layer ${layer} became a part of nothing`);
    const { from, into, merged } = merge;
    const order = { merge: { from, into, merged }, newest, source: endpoint(this.#node(this.#head.writer)) };
    const { isDone } = await this.#calls.call(node, (calls) => calls['layer.merge'](order, CONTEXT), MERGE_TIMEOUT_MS);
    return isDone;
  }

  #node(name: string): BlockNode {
    const node = this.#nodes.find((one) => one.name === name);
    if (node === undefined) throw new TypeError(`there is no node ${name}`);
    return node;
  }
}
