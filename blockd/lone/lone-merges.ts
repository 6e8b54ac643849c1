// Merges layers of a blockd that is alone, where nothing needs the two by themselves any more: an image takes snapshots for
// ever then, as long as old ones are deleted. What a stop or a full disk broke off is gone on with.
import type { Clock, Timer } from '../../common/clock.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { type LayerPair, mergeablePairs } from '../../common/mergeable-layers.ts';
import { LONE_NODE } from '../../wire/contracts/alone.ts';
import type { Leaving } from '../../wire/contracts/catalogue.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { KeptRoom } from './kept-room.ts';
import type { LoneLayers } from './lone-layers.ts';
import { HERE, type LoneNode } from './lone-node.ts';

/** How often it looks by itself: what was read or cut before may be merged now. */
const LOOK_MS = 5_000;
/** What passes by itself. */
const PASSING = ['LAYER_NEEDED', 'LAYER_BUSY', 'LAYER_ELSEWHERE', 'LAYER_IN_USE'];
/** Nobody but this node has layers. */
const SOURCE = { node: LONE_NODE, address: '127.0.0.1' };

export interface MergesParts {
  /** What only goes is looked after too. */
  readonly layers: Pick<LoneLayers, 'sweep'>;
  /** What was given of it is taken again once there is some. */
  readonly room: Pick<KeptRoom, 'keep'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

export class LoneMerges {
  readonly #node: LoneNode;
  readonly #parts: MergesParts;
  #looking: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #isStopped = false;
  /** Why a merge did not go on; told once, until one does. */
  #reason = '';

  constructor(node: LoneNode, parts: MergesParts) {
    this.#node = node;
    this.#parts = parts;
  }

  /** Looks now, and every few seconds until it is stopped. */
  start(): void {
    void this.look().then(() => {
      if (this.#isStopped) return;
      this.#timer = this.#parts.clock.setTimer(LOOK_MS, () => this.start());
    });
  }

  /** What is being merged is gone on with by the next start. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Merges what can be merged now, one look after the other. Never rejects. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  async #look(): Promise<void> {
    try {
      while (!this.#isStopped && (await this.#finish()) && (await this.#node.inTurn(() => this.#begin())));
    } catch (error) {
      this.#waits(error);
    }
    if (this.#isStopped) return;
    await this.#node.inTurn(() => this.#parts.layers.sweep());
    await this.#parts.room.keep();
  }

  #waits(error: unknown): void {
    const reason = messageOf(error);
    const isKnown = PASSING.includes(codeOf(error) ?? '') || reason === this.#reason;
    if (!this.#isStopped && !isKnown) this.#parts.log.warn({ reason }, 'a merge of layers waits');
    this.#reason = reason;
  }

  /** Whether every merge that the catalogue has committed is made here. @throws OperationError LAYER_IN_USE and those of the disk */
  async #finish(): Promise<boolean> {
    const { records, catalogue } = this.#node;
    const merges = records.leaving.filter(({ merge }) => merge !== undefined);
    // In the order in which they were merged: each goes into what the ones before have made.
    merges.sort((one, other) => (one.merge?.serial ?? 0) - (other.merge?.serial ?? 0));
    for (const leaving of merges) {
      if (!(await this.#letGo(leaving))) return false;
      await catalogue['layer.gone']({ layer: leaving.layer, node: LONE_NODE }, HERE);
      this.#reason = '';
    }
    return true;
  }

  /** Whether the upper layer is gone; its blocks are the lower one's, as long as something needs them. */
  async #letGo({ layer, merge }: Leaving): Promise<boolean> {
    const { store } = this.#node;
    const newest = merge === undefined ? undefined : this.#named(merge.target);
    if (merge === undefined || newest === undefined) {
      await store['layer.drop']({ layer }, HERE);
      return true;
    }
    const { from, into, merged } = merge;
    return (await store['layer.merge']({ merge: { from, into, merged }, newest, source: SOURCE }, HERE)).isDone;
  }

  #named(layer: string): SealedLayer | undefined {
    const { heads, snapshots } = this.#node.records;
    const named = [
      ...heads.flatMap(({ stack }) => stack.below),
      ...snapshots.flatMap(({ disks }) => disks.flatMap(({ layers }) => layers)),
    ];
    return named.find((one) => one.layer === layer);
  }

  /** Whether the catalogue has committed one more; a pair that cannot be merged keeps no other from it. */
  async #begin(): Promise<boolean> {
    const { heads, snapshots } = this.#node.records;
    for (const pair of mergeablePairs(heads, snapshots)) {
      try {
        await this.#commit(pair);
        return true;
      } catch (error) {
        this.#waits(error);
      }
    }
    return false;
  }

  /** @throws OperationError LAYER_NEEDED, LAYER_BUSY, LAYER_ELSEWHERE */
  async #commit({ from, into }: LayerPair): Promise<void> {
    const { catalogue, store } = this.#node;
    const { merged } = await store['merge.plan']({ from, into }, HERE);
    await catalogue['layer.merge']({ merge: { from, into, merged }, nodes: [LONE_NODE] }, HERE);
    await this.#node.keepRecords();
    this.#parts.log.info({ from: from.layer, into: into.layer }, 'a layer is merged');
  }
}
