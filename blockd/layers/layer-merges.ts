// Merges layers that are here, one into the next lower one, at this store's own pace. The catalogue has committed it and
// nothing goes back: a merge that a crash or a full disk broke off is taken up again. Until both are one the images here
// read the two of them; then they read the one, and the upper one goes.
import { type Clock, deadline, pause } from '../../common/clock.ts';
import { codeOf, messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { LayerMerge, SealedLayer } from '../../wire/contracts/layers.ts';
import { isCountedOn } from '../copies/whole-copy.ts';
import type { ImageHost } from '../image/image-host.ts';
import { isOpen } from '../image/image-roles.ts';
import { settledBefore } from '../image/settled-before.ts';
import { sameTable } from '../peer/table-follower.ts';
import type { ImageStore } from '../store/image-store.ts';
import { mergedMark } from '../table/merged-mark.ts';
import type { TableMark } from '../table/version-table.ts';
import type { LayerBlocks } from './layer-blocks.ts';
import { closingOf, layerInUse } from './layer-bringer.ts';
import type { LayerShelf } from './layer-shelf.ts';
import { lacksAny, mergeTables, moveBlocks } from './merge-steps.ts';
import { gatherMerged, noteMerged } from './own-merged.ts';

/** Whoever orders a merge hears so soon that it goes on. */
const ANSWER_MS = 5_000;
/** So long a lower layer that is not here is waited for; the order is repeated. */
const BRING_MS = 20_000;

/** Layers over the lower one, the oldest first, and what it is with them. */
interface Laying {
  readonly over: readonly LayerBlocks[];
  readonly makes: SealedLayer;
}

/** What is merged, and what came of the lower layer since then. */
export interface MergeOrder {
  readonly merge: LayerMerge;
  readonly newest: SealedLayer;
  /** The node that has it. */
  readonly source: string;
}

/** Whose layers they are. */
export interface MergesHolder {
  readonly layers: LayerShelf;
  readonly hosts: readonly ImageHost[];
  inTurn<T>(image: string, step: () => Promise<T>): Promise<T>;
  drop(layer: string): Promise<void>;
}

/** The merges of one store. */
export class LayerMerges {
  readonly #holder: MergesHolder;
  readonly #clock: Clock;
  readonly #log: Log;
  /** By the upper layer. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(holder: MergesHolder, { clock, log }: { clock: Clock; log: Log }) {
    this.#holder = holder;
    this.#clock = clock;
    this.#log = log;
  }

  /** What the lower layer would be. @throws OperationError LAYER_ELSEWHERE when this node has not got both tables as proven */
  async plan(from: SealedLayer, into: SealedLayer): Promise<SealedLayer> {
    const [upper, lower] = [this.#proven(from), this.#proven(into)];
    const mark = await mergedMark(lower.table, [upper.table], this.#pause);
    return { layer: into.layer, bytes: into.bytes, ...mark };
  }

  /**
   * Begins it, or goes on; true once nothing of the upper layer is here any more.
   * @throws OperationError LAYER_IN_USE, CANCELLED and others, and then it is to be ordered again
   */
  async merge(order: MergeOrder): Promise<boolean> {
    const { layer } = order.merge.from;
    const work = this.#underWay.get(layer) ?? this.#begin(order);
    if (
      !(await settledBefore(
        deadline(this.#clock, ANSWER_MS),
        work.catch(() => undefined),
      ))
    )
      return false;
    await work;
    return true;
  }

  /** Once what is being merged into these layers here is merged, or has failed: until then blocks lie in two. Never rejects. */
  async settled(layers: readonly string[]): Promise<void> {
    const upper = layers.flatMap((layer) => this.#holder.layers.find(layer)?.store.state.merging?.from.layer ?? []);
    await Promise.allSettled(upper.map((layer) => this.#underWay.get(layer)));
  }

  /** Goes on with what the daemon's stop broke off. Never rejects. */
  async resume(): Promise<void> {
    const { layers } = this.#holder;
    const merges = layers.all.flatMap(({ store }) => store.state.merging ?? []);
    for (const layer of layers.all) {
      gatherMerged(layers, layer, this.#pause).catch((error: unknown) =>
        this.#log.warn({ layer: layer.store.layer, reason: messageOf(error) }, 'blocks of a merged layer wait'),
      );
    }
    await Promise.all(
      merges.map((merge) =>
        this.#begin({ merge, newest: merge.merged, source: '' }).catch((error: unknown) =>
          this.#log.warn({ layer: merge.from.layer, reason: messageOf(error) }, 'a merge of layers waits'),
        ),
      ),
    );
  }

  #begin(order: MergeOrder): Promise<void> {
    const { from, into } = order.merge;
    const work = this.#run(order).finally(() => this.#underWay.delete(from.layer));
    this.#underWay.set(from.layer, work);
    // Whoever asks hears of its failure; one that nobody waits for must not end the process.
    work.catch(() =>
      this.#log.info({ from: from.layer, into: into.layer }, 'a merge of layers is to be ordered again'),
    );
    return work;
  }

  async #run(order: MergeOrder): Promise<void> {
    const { layers } = this.#holder;
    const { from, into } = order.merge;
    layers.refuseUnusable(from.layer);
    const upper = layers.find(from.layer);
    if (upper === undefined) return this.#renew(order);
    const { role } = upper.store.state;
    if (isOpen(role)) throw layerInUse(from.layer, `is a ${role} here`);
    await layers.unchanging(into.layer);
    const lower = await layers.reading([from.layer, into.layer], () => this.#unite(order, upper));
    await this.#restack(from.layer, lower);
    // Of what it has maybe the only copy: what was changed meanwhile is moved with the next order.
    const isLacking = await lacksAny(lower.store, upper.store, this.#pause);
    if (isLacking) throw layerInUse(from.layer, 'has blocks that were not moved yet');
    // A request that began before may still wait for a block of it.
    if (upper.isBusy) throw layerInUse(from.layer, 'is waited for here');
    await layers.endBringing(from.layer, into.layer);
    await this.#holder.drop(from.layer);
    this.#log.info({ from: from.layer, into: into.layer }, 'a layer was merged');
  }

  /** Nothing of the upper layer is here; the lower one is, maybe, as it was before. */
  async #renew(order: MergeOrder): Promise<void> {
    const { merge, newest, source } = order;
    const { layers } = this.#holder;
    const half = layers.find(merge.into.layer)?.store;
    // The files of the upper one are lost: the rest comes from others.
    if (half?.state.merging?.from.layer === merge.from.layer)
      await half.commit({ state: { role: 'loose', merging: null } });
    const lower = layers.find(newest.layer);
    if (lower === undefined || isOpen(lower.store.state.role)) return;
    if (isBeyond(lower.store, order)) return this.#note(lower.store, order);
    const isDone = half !== undefined && isBeyond(half, order);
    if (isDone) await this.#note(half, order);
    // It has been merged here, and a newer state of it was asked for since: the merges of that may be for this node to do.
    const isPast = isDone || layers.mergedInto(merge.from.layer) !== undefined;
    if (isPast && !isLast(merge, newest)) return;
    await this.#bring(merge, newest, source);
  }

  /** Where the upper one had no entries the lower one says of itself what it said before. */
  #note(lower: ImageStore, { merge, newest }: MergeOrder): Promise<void> {
    const { merged = [] } = lower.layer === merge.merged.layer ? merge.merged : newest;
    return noteMerged(lower, merged);
  }

  /** The layer that has everything of the upper one then, as far as it is here. */
  async #unite(order: MergeOrder, upper: LayerBlocks): Promise<LayerBlocks> {
    const { merge, newest, source } = order;
    const { layers } = this.#holder;
    const lower = layers.find(merge.into.layer);
    const laying = lower === undefined ? undefined : await this.#laying(lower.store, upper, order);
    if (lower !== undefined && laying !== undefined) {
      for (const one of laying.over) await this.#fillOver(lower.store, one);
      const others = laying.over.filter((one) => one !== upper).map(({ store }) => store.layer);
      await layers.reading(others, () =>
        layers.changing(merge.into.layer, () => this.#join(lower.store, upper, order, laying)),
      );
      return lower;
    }
    // The lower one may have gone into that itself, which has come with all of both.
    const beyond = [lower, layers.find(newest.layer)].find((one) => one !== undefined && isBeyond(one.store, order));
    const other = beyond ?? (await this.#bring(merge, newest, source));
    await moveBlocks(other.store, upper.store, this.#pause);
    return other;
  }

  /**
   * The merged table would hide what answers count on here, where the upper layer only names what replaces it. What nobody has
   * any more is replaced itself: those who had it have merged what lies over it.
   */
  async #fillOver(lower: ImageStore, upper: LayerBlocks): Promise<void> {
    const { layers } = this.#holder;
    if (!isCountedOn(lower, layers.records.copiesOfStore(lower, true)) || !upper.store.table.hasMissing) return;
    const signal = deadline(this.#clock, BRING_MS);
    const rateBytesPerSecond = Number.MAX_SAFE_INTEGER;
    const progress = (): void => undefined;
    await layers.fillLayer(upper, { source: '', rateBytesPerSecond, signal, progress, leavesLost: true });
    // A crash would take it away again, and what the lower one is about to be has its name only.
    await upper.store.flush();
  }

  /**
   * What is laid over the lower one if that is what it was when the merge was ordered, or a mixture on the way from there: of
   * a merge here that was broken off, or of what was told of others'. One that was told of several merges becomes what all of
   * them make of it. Undefined when others are to be asked for it.
   */
  async #laying(lower: ImageStore, upper: LayerBlocks, order: MergeOrder): Promise<Laying | undefined> {
    const { merge, newest } = order;
    const { from, into, merged } = merge;
    const { role, merging = null } = lower.state;
    if (isOpen(role) || !sameTable(upper.store.table.mark, from)) return undefined;
    if (merging !== null && merging.from.layer !== from.layer) return undefined;
    const one = { over: [upper], makes: merged };
    if (sameTable(lower.table.mark, into)) return one;
    // What says all of it already is only to be kept as such: who brings an older state of it here gives way to that.
    const isSaid = isLast(merge, newest) && sameTable(lower.table.mark, merged);
    if (merging === null && (isBeyond(lower, order) || isSaid)) return undefined;
    if (await this.#makes(lower, one)) return one;
    if (newest.layer !== into.layer) return undefined;
    const all = { over: this.#partsOver(lower, newest), makes: newest };
    const isPart = all.over.includes(upper) || (all.over.length > 0 && hasMerged(lower, from.layer));
    return isPart && (await this.#makes(lower, all)) ? all : undefined;
  }

  async #makes(lower: ImageStore, { over, makes }: Laying): Promise<boolean> {
    const uppers = over.map(({ store }) => store.table).toReversed();
    return sameContents(await mergedMark(lower.table, uppers, this.#pause), makes);
  }

  /** What was merged elsewhere into what is not here yet, and still lies here by itself: the oldest first. */
  #partsOver(lower: ImageStore, { merged = [] }: SealedLayer): LayerBlocks[] {
    const parts = merged
      .filter(({ layer }) => !hasMerged(lower, layer))
      .toSorted((part, other) => part.lastSequence - other.lastSequence);
    return parts.flatMap(({ layer, lastSequence }) => {
      const one = this.#holder.layers.find(layer);
      const { role } = one?.store.state ?? {};
      return one !== undefined && role === 'sealed' && one.store.table.lastSequence === lastSequence ? [one] : [];
    });
  }

  async #join(lower: ImageStore, upper: LayerBlocks, order: MergeOrder, { over, makes }: Laying): Promise<void> {
    const { layers } = this.#holder;
    // Whoever brings it as it is once merged waits for that here; whoever brings an older state hears that it is more.
    await layers.yieldTo(makes);
    // While this waited for blocks it may have been told a later state, in part.
    const now = await this.#laying(lower, upper, order);
    if (now?.over.length !== over.length || now.makes.digest !== makes.digest)
      throw layerInUse(lower.layer, 'has been told more here');
    // From here on it says the same only below the upper layers, and that durably.
    const { ends } = over.at(-1)?.store.state ?? upper.store.state;
    await lower.commit({ state: { role: 'sealed', merging: { ...order.merge, merged: makes }, ends } });
    // Whoever reads it without the others, as it was, read a snapshot that is deleted; nobody can begin that any more once an
    // entry is another.
    if (over.some(({ store }) => layers.isReadWithout(lower.layer, store.layer)))
      throw layerInUse(lower.layer, 'is being read here');
    for (const { store } of over) await mergeTables(lower, store, this.#pause);
    if (!sameContents(lower.table.mark, makes)) throw differs(makes, lower.table.mark);
    // What a crash left of contents that were being replaced had numbers beyond those of the image.
    lower.table.lastSequence = makes.lastSequence;
    for (const { store } of over) await moveBlocks(lower, store, this.#pause);
    const { merged = [] } = makes;
    await lower.commit({
      clean: true,
      state: { role: 'sealed', merging: null, merged, closing: closingOf(lower, makes) },
    });
  }

  /** The lower layer as it is by now; or as it was before, which this node may be the one to make more of. */
  async #bring({ into }: LayerMerge, newest: SealedLayer, source: string): Promise<LayerBlocks> {
    const { layers } = this.#holder;
    try {
      return await layers.bring(newest, source, deadline(this.#clock, BRING_MS));
    } catch (error) {
      if (codeOf(error) !== 'CANCELLED' || layers.find(into.layer) === undefined) throw error;
      await layers.bring(into, source, deadline(this.#clock, BRING_MS));
      throw error;
    }
  }

  /**
   * Whatever image reads the two reads the one from now on, also after a restart, and nothing in between that went into it too:
   * that would hide what the upper one has changed.
   */
  async #restack(from: string, lower: LayerBlocks): Promise<void> {
    const { layers, hosts } = this.#holder;
    const isMeant = ({ state }: ImageStore): boolean =>
      state.role !== 'sealed' && state.below.some(({ layer }) => layer === from);
    for (const { store } of layers.all.filter((one) => isMeant(one.store))) {
      const host = hosts.find(({ image }) => image.store === store);
      if (host === undefined) await store.commit({ state: { below: without(store.state.below, from, lower) } });
      else
        await this.#holder.inTurn(host.name, async () => {
          if (isMeant(host.image.store)) await host.restack(without(host.image.store.state.below, from, lower));
          host.copies.review();
        });
    }
  }

  #proven(sealed: SealedLayer): ImageStore {
    const store = this.#holder.layers.find(sealed.layer)?.store;
    if (store !== undefined && store.state.role === 'sealed' && sameTable(store.table.mark, sealed)) return store;
    throw new OperationError('LAYER_ELSEWHERE', `layer ${sealed.layer} is not here as it was proven`, {
      remedy: 'Ask the node that writes the image, or that closed it last.',
    });
  }

  readonly #pause = (): Promise<void> => pause(this.#clock);
}

/** Whether nothing has come of the layer after this merge, not even an empty one, of which the table says nothing. */
function isLast({ merged }: LayerMerge, newest: SealedLayer): boolean {
  const known = (merged.merged ?? []).map(({ layer }) => layer);
  const isKnown = (newest.merged ?? []).every(({ layer }) => known.includes(layer));
  return newest.layer === merged.layer && sameTable(newest, merged) && isKnown;
}

/** Whether that layer was merged into it here, or before it came. */
function hasMerged({ state }: ImageStore, layer: string): boolean {
  return (state.merged ?? []).some((part) => part.layer === layer);
}

function sameContents(one: TableMark, { entries, digest }: TableMark): boolean {
  return one.entries === entries && one.digest === digest;
}

/**
 * Whether it is merged here, by these steps or by being heard of, and whatever came after. Its last number alone says nothing: a
 * table that was told in part may be ahead of its entries.
 */
function isBeyond(lower: ImageStore, { merge, newest }: Pick<MergeOrder, 'merge' | 'newest'>): boolean {
  const { state, table, layer } = lower;
  if (state.role !== 'sealed' || (state.merging ?? null) !== null) return false;
  const isAs = (sealed: SealedLayer): boolean => layer === sealed.layer && sameTable(table.mark, sealed);
  return hasMerged(lower, merge.from.layer) || isAs(newest) || isAs(merge.merged);
}

/** The layers with the lower one for itself and all that is a part of it. */
function without(below: readonly SealedLayer[], from: string, { store }: LayerBlocks): SealedLayer[] {
  const { layer, bytes, table, state } = store;
  const { merged = [] } = state;
  const one = { layer, bytes, ...table.mark, ...(merged.length > 0 ? { merged } : {}) };
  const isPart = (sealed: SealedLayer): boolean => sealed.layer === from || hasMerged(store, sealed.layer);
  return below.filter((sealed) => !isPart(sealed)).map((sealed) => (sealed.layer === layer ? one : sealed));
}

function differs({ layer, entries }: SealedLayer, mark: TableMark): OperationError {
  const said = `${mark.entries} entries of ${entries}`;
  return new OperationError('TABLE_DIFFERS', `layer ${layer} is not what was foretold of its merge: ${said}`, {
    remedy: 'Look at the disk of that node; the layer above it has its blocks still.',
  });
}
