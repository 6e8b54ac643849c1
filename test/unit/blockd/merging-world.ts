// Three stores, one image with snapshots and clones, and a catalogue that merges layers: every step a seeded draw, everything
// that is read compared with what was written. Not a test itself.
import * as assert from 'uvu/assert';
import type { Entry } from '../../../blockd/catalogue/catalogue.ts';
import { mergeLayers } from '../../../blockd/catalogue/catalogue-merges.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { deadline } from '../../../common/clock.ts';
import { codeOf } from '../../../common/errors.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import type { Leaving, Snapshot } from '../../../wire/contracts/catalogue.ts';
import type { SealedLayer, Stack } from '../../../wire/contracts/layers.ts';
import { layerName } from './layered-image.ts';
import { isSettled } from './manual-clock.ts';
import { ALONE, BYTES, type Node, openAtA, type Stores } from './stores-between.ts';

export const BLOCKS = BYTES / BLOCK_BYTES;
const NODES: readonly Node[] = ['a', 'b', 'c'];
const OPEN_MS = 60_000;
const NO_TABLE = { entries: 0, digest: '0'.repeat(32) };

/** What a catalogue says of a store that merges nothing now: to be ordered again. */
const LATER = ['LAYER_IN_USE', 'CANCELLED', 'LAYER_MERGED', 'LAYER_ELSEWHERE'];

interface Kept {
  readonly snapshot: Snapshot;
  readonly model: readonly number[];
}

export class MergingWorld {
  readonly stores: Stores;
  stack: Stack = ALONE;
  writer: Node = 'a';
  epoch = 1;
  kept: Kept[] = [];
  leaving: Leaving[] = [];
  merged = 0;
  readonly #model: number[] = Array.from({ length: BLOCKS }, () => 0);
  #last: Closing;
  #layers = 1;
  #clones = 0;
  #serial = 0;

  private constructor(stores: Stores) {
    this.stores = stores;
    this.#last = stores.at('a').get('web').image.closing();
  }

  static async make(): Promise<MergingWorld> {
    return new MergingWorld(await openAtA());
  }

  async write(block: number, fill: number): Promise<void> {
    const { image } = this.stores.at(this.writer).get('web');
    const [at, data] = [block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, fill)];
    await this.#passing(Promise.resolve(fill === 0 ? image.zero(at, BLOCK_BYTES, true) : image.write(at, data, true)));
    this.#model[block] = fill;
  }

  /** A snapshot; one that is not kept leaves its layer to be merged. */
  async cut(isKept: boolean): Promise<void> {
    const layer = layerName(++this.#layers);
    const id = this.#layers.toString(16).padStart(16, '0');
    const [made] = await this.stores.at(this.writer).cuts.cut({ id, images: [{ image: 'web', layer }] });
    if (made === undefined) throw new Error('nothing was cut');
    this.stack = { layer, generation: this.stack.generation + 1, below: [made.sealed, ...this.stack.below] };
    const disk = { image: 'web', bytes: BYTES, holder: this.writer, layers: this.stack.below };
    if (isKept) this.kept.push({ snapshot: { snapshot: id, atMs: 0, disks: [disk] }, model: [...this.#model] });
  }

  forget(index: number): void {
    this.kept.splice(index % Math.max(1, this.kept.length), 1);
  }

  /** Merges the lowest two layers that may be one, if there are such. */
  async merge(): Promise<boolean> {
    for (let at = this.stack.below.length - 1; at > 0; at--) {
      const [from, into] = [this.stack.below[at - 1], this.stack.below[at]];
      if (from === undefined || into === undefined) throw new Error('a stack has holes');
      if (await this.#merge(from, into)) return true;
    }
    return false;
  }

  async #merge(from: SealedLayer, into: SealedLayer): Promise<boolean> {
    const { merges } = this.stores.at(this.writer);
    try {
      const merged = await this.#passing(merges.plan(from, into));
      const records = {
        ...{ state: { incarnation: 1, serial: this.#serial, behind: '' }, leaving: this.leaving },
        ...{ entries: [this.#entry()], snapshots: this.kept.map(({ snapshot }) => snapshot) },
      };
      const change = mergeLayers(records, { merge: { from, into, merged }, nodes: NODES });
      this.#take(change.entries?.[0], change.snapshots ?? [], change.leaving ?? []);
      return true;
    } catch (error) {
      if (['LAYER_NEEDED', 'LAYER_ELSEWHERE'].includes(codeOf(error) ?? '')) return false;
      throw error;
    }
  }

  #take(entry: Entry | undefined, snapshots: readonly Snapshot[], leaving: readonly Leaving[]): void {
    this.#serial++;
    this.merged++;
    if (entry !== undefined) this.stack = entry.head.stack;
    for (const one of snapshots) {
      const index = this.kept.findIndex(({ snapshot }) => snapshot.snapshot === one.snapshot);
      const before = this.kept[index];
      if (before !== undefined) this.kept[index] = { ...before, snapshot: one };
    }
    for (const one of leaving) this.leaving = [...this.leaving.filter(({ layer }) => layer !== one.layer), one];
  }

  /** Asks a node to merge what it still has. */
  async sweep(node: Node): Promise<void> {
    if (this.stores.away.has(node)) return;
    const left = this.leaving.filter(({ nodes }) => nodes.includes(node));
    for (const { layer, merge } of left.sort((a, b) => (a.merge?.serial ?? 0) - (b.merge?.serial ?? 0))) {
      const newest = this.stack.below.find((one) => one.layer === merge?.target);
      if (merge === undefined || newest === undefined) throw new Error(`layer ${layer} became a part of nothing`);
      const { from, into, merged } = merge;
      const order = { merge: { from, into, merged }, newest, source: this.writer };
      try {
        if (!(await this.#passing(this.stores.at(node).merges.merge(order)))) return;
      } catch (error) {
        if (!LATER.includes(codeOf(error) ?? '')) throw error;
        return;
      }
      this.leaving = this.leaving
        .map((one) => (one.layer === layer ? { ...one, nodes: one.nodes.filter((other) => other !== node) } : one))
        .filter(({ nodes }) => nodes.length > 0);
    }
  }

  /** The image is closed and opened at another node. */
  async move(to: Node): Promise<void> {
    if (to === this.writer || this.stores.away.has(to) || this.stores.away.has(this.writer)) return;
    this.#last = await this.#passing(this.stores.at(this.writer).endEpoch('web', this.stack.layer, this.epoch));
    this.epoch++;
    // An opening waits for somebody who has merged what its stack says is one.
    await this.sweep(this.writer);
    await this.#open(to, { image: 'web', stack: this.stack, epoch: this.epoch, last: this.#last });
    this.writer = to;
  }

  async #open(node: Node, known: { image: string; stack: Stack; epoch: number; last: Closing }): Promise<void> {
    const host = await this.#passing(this.stores.at(node).ensure({ ...known, bytes: BYTES }));
    const from = { node: this.writer, address: '127.0.0.1' };
    const end = deadline(this.stores.clock, OPEN_MS);
    await this.#passing(host.open({ epoch: known.epoch, last: known.last, from }, end));
  }

  async read(block: number): Promise<void> {
    const { image } = this.stores.at(this.writer).get('web');
    const bytes = await this.#passing(image.readLater(block * BLOCK_BYTES, BLOCK_BYTES));
    assert.is(bytes[0], this.#model[block], `block ${block} at ${this.writer}`);
    assert.ok(bytes.every((byte) => byte === bytes[0]));
  }

  setAway(node: Node, isAway: boolean): void {
    if (isAway && node !== this.writer) this.stores.away.add(node);
    else this.stores.away.delete(node);
    this.stores.breakStreams();
  }

  /** A snapshot read as a clone of it, which is thrown away. */
  async readSnapshot(index: number, node: Node): Promise<void> {
    const one = this.kept[index % Math.max(1, this.kept.length)];
    const disk = one?.snapshot.disks[0];
    if (one === undefined || disk === undefined || this.stores.away.has(node)) return;
    await this.sweep(this.writer);
    const image = `clone${++this.#clones}`;
    const layer = layerName(10_000 + this.#clones);
    const lastSequence = disk.layers[0]?.lastSequence ?? 0;
    const last = { image, epoch: 0, lastSequence, ...NO_TABLE, generation: 1 };
    const stack = { layer, generation: 1, below: disk.layers };
    await this.#open(node, { image, stack, epoch: 1, last });
    const opened = this.stores.at(node).get(image).image;
    for (let block = 0; block < BLOCKS; block++) {
      const bytes = await this.#passing(opened.readLater(block * BLOCK_BYTES, BLOCK_BYTES));
      assert.is(bytes[0], one.model[block], `block ${block} of a snapshot at ${node}`);
    }
    await this.#passing(this.stores.at(node).endEpoch(image, layer, 1));
    await this.stores.at(node).drop(layer);
  }

  /** Everything goes on until it is done or has waited too long. */
  async #passing<T>(work: Promise<T>): Promise<T> {
    for (let turn = 0; !(await isSettled(work)); turn++) {
      if (turn > 400) throw new Error('it goes on for ever');
      await this.stores.clock.advance(500);
    }
    return work;
  }

  #entry(): Entry {
    const closed = { writer: null, holder: this.writer, last: this.#last, closings: [], transfer: null, cut: null };
    return {
      head: { image: 'web', bytes: BYTES, epoch: this.epoch, ...closed, stack: this.stack },
      granted: this.epoch,
    };
  }
}
