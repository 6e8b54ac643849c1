// Brings the table of a layer that never changes to this node, from whoever has it, until it equals its proof; its blocks
// come when they are read, or before they are named where answers count on what is here. One that is brought for several
// images at once is brought once.
import type { Clock } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import { KeptFollower } from '../copies/kept-follower.ts';
import { isCountedOn, wholeNote } from '../copies/whole-copy.ts';
import { cancelled, pauseBefore, settledBefore } from '../image/settled-before.ts';
import { FollowLink, type FollowParts } from '../peer/follow-link.ts';
import type { Dial } from '../peer/peer-stream.ts';
import { sameTable } from '../peer/table-follower.ts';
import type { Traffic } from '../peer/traffic.ts';
import type { NewLayer } from '../store/image-files.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { EpochEnd } from '../table/block-version.ts';
import type { RecordBook } from './kept-records.ts';
import type { LayerBlocks } from './layer-blocks.ts';
import type { LayerShelf } from './layer-shelf.ts';
import { noteMerged } from './own-merged.ts';

/** How often it is looked whether the source is one that has the layer, and how soon all are asked again. */
const LOOK_MS = 500;
/** The image name of a layer that no image here was made of. */
const NO_IMAGE = 'layer';

/** Where layers are kept. */
interface LayerPlace extends Pick<LayerShelf, 'seed' | 'fillLayer' | 'reading'> {
  readonly records: Pick<RecordBook, 'copiesOfStore'>;
  find(layer: string): LayerBlocks | undefined;
  findOrCreate(fresh: NewLayer): Promise<LayerBlocks>;
  trafficOf(layer: string): Traffic;
  refuseUnusable(layer: string): void;
  /** Settles when no merge changes the layer. */
  unchanging(layer: string): Promise<void>;
  mergedInto(layer: string): ImageStore | undefined;
}

export interface BringerParts {
  readonly layers: LayerPlace;
  readonly node: string;
  readonly members: () => readonly string[];
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
}

interface Bringing {
  readonly sealed: SealedLayer;
  readonly done: Promise<LayerBlocks>;
  readonly end: AbortController;
  waiting: number;
  /** A merge here makes of the layer what it is to be. */
  isYielded: boolean;
  /** It is a part of that layer by now, here too, or is more than what was asked for. */
  partOf?: string;
}

/** The layers that are on their way. */
export class LayerBringer {
  readonly #parts: BringerParts;
  readonly #bringings = new Map<string, Bringing>();

  constructor(parts: BringerParts) {
    this.#parts = parts;
  }

  isBringing(layer: string): boolean {
    return this.#bringings.has(layer);
  }

  /**
   * A merge is about to make this of the layer: whoever waits for it, or for what later merges make of that, waits for it and
   * asks nobody meanwhile. Every node may wait for a merged layer that only these nodes can make. Whoever waits for an older
   * state hears that it is more: nobody may have that one any more.
   */
  async yieldTo(merged: SealedLayer): Promise<void> {
    const before = this.#bringings.get(merged.layer);
    if (before === undefined) return;
    if (before.sealed.lastSequence < merged.lastSequence) return this.endBringing(merged.layer, merged.layer);
    before.isYielded = true;
    await ended(before);
  }

  /** It was merged into that layer here: nobody can have it by itself any more, and whoever waits for it hears so. */
  async endBringing(layer: string, into: string): Promise<void> {
    const before = this.#bringings.get(layer);
    if (before === undefined) return;
    before.partOf = into;
    await ended(before);
  }

  /** It goes on as long as one of those that wait for it does, or until more is known of what a merge has made of it. */
  async bring(sealed: SealedLayer, source: string, signal: AbortSignal): Promise<LayerBlocks> {
    for (;;) {
      const bringing = await this.#joined(sealed, source);
      try {
        if (await settledBefore(signal, bringing.done)) return await bringing.done;
        throw cancelled(`layer ${sealed.layer} did not come in time`);
      } catch (error) {
        if (bringing.partOf !== undefined) throw wasMerged(sealed.layer, bringing.partOf);
        if (!bringing.isYielded || signal.aborted) throw error;
      } finally {
        bringing.waiting--;
        if (bringing.waiting === 0) bringing.end.abort();
      }
    }
  }

  /** What is on its way, with one more who waits for it. */
  async #joined(sealed: SealedLayer, source: string): Promise<Bringing> {
    for (let before = this.#inTheWay(sealed); before !== undefined; before = this.#inTheWay(sealed)) {
      await before.done.catch(() => undefined);
    }
    const bringing = this.#bringings.get(sealed.layer) ?? this.#begin(sealed, source);
    bringing.waiting++;
    return bringing;
  }

  /** One that nobody waits for any more, or that is of an older state, which nobody may have now: it is on its way out. */
  #inTheWay(sealed: SealedLayer): Bringing | undefined {
    const before = this.#bringings.get(sealed.layer);
    // What of a newer one nobody waits for any more could not be had: the older one may be all that there is.
    if (before === undefined || before.end.signal.aborted) return before;
    if (sameTable(before.sealed, sealed)) return undefined;
    if (before.sealed.lastSequence > sealed.lastSequence) throw wasMerged(sealed.layer, sealed.layer);
    before.end.abort();
    return before;
  }

  #begin(sealed: SealedLayer, source: string): Bringing {
    const end = new AbortController();
    const done = this.#bring(sealed, source, end.signal).finally(() => this.#bringings.delete(sealed.layer));
    // Whoever waits hears of its failure; one that nobody waits for any more must not end the process.
    done.catch(() => undefined);
    const bringing = { sealed, done, end, waiting: 0, isYielded: false };
    this.#bringings.set(sealed.layer, bringing);
    return bringing;
  }

  async #bring(sealed: SealedLayer, source: string, end: AbortSignal): Promise<LayerBlocks> {
    const { layers } = this.#parts;
    layers.refuseUnusable(sealed.layer);
    if (!(await settledBefore(end, layers.unchanging(sealed.layer))))
      throw cancelled(`layer ${sealed.layer} is being merged here`);
    const other = layers.mergedInto(sealed.layer);
    if (other !== undefined && layers.find(sealed.layer) === undefined) throw wasMerged(sealed.layer, other.layer);
    const layer = await layers.findOrCreate(emptyLayer(sealed));
    const { store } = layer;
    if (store.bytes !== sealed.bytes) {
      throw new OperationError(
        'SIZE_DIFFERS',
        `layer ${sealed.layer} has ${store.bytes} bytes here, not ${sealed.bytes}`,
      );
    }
    const { role, merging = null } = store.state;
    if (merging !== null) throw layerInUse(sealed.layer, 'is being merged here');
    if (role === 'sealed' && store.table.lastSequence > sealed.lastSequence) throw wasMerged(sealed.layer, store.layer);
    if (isEmpty(sealed, store)) store.table.lastSequence = sealed.lastSequence;
    const isHere = sameTable(store.table.mark, sealed);
    const mayChange = role === 'loose' || role === 'replica' || (isHere && role === 'cutting');
    if (role !== 'sealed' && !mayChange) throw layerInUse(sealed.layer, `is a ${role} here`);
    const { merged = [] } = sealed;
    if (isHere && role === 'sealed') {
      await noteMerged(store, merged);
      return layer;
    }
    layer.hearsMerged = merged;
    const ends = isHere ? store.state.ends : await this.#follow(layer, sealed, source, end);
    const closing = closingOf(store, sealed);
    await store.commit({ clean: true, state: { role: 'sealed', ends: [...ends], closing, merged } });
    // Where it failed, by a full disk for one, the table has names of it all the same.
    layer.hearsMerged = [];
    return layer;
  }

  /** Asks one after the other, round and round; whoever has not got it says so at once. */
  async #follow(
    layer: LayerBlocks,
    sealed: SealedLayer,
    source: string,
    end: AbortSignal,
  ): Promise<readonly EpochEnd[]> {
    const { node, members, layers, clock } = this.#parts;
    const { store } = layer;
    const isKept = isCountedOn(store, layers.records.copiesOfStore(store, true));
    // What a crash leaves of contents that are being replaced needs numbers of its own (SOUNDNESS A3), which a proven layer has not.
    if (isKept) await store.commit({ reserve: true, state: { role: 'loose', ...wholeNote(store) } });
    for (let turn = 0; ; turn++) {
      const sources = [...new Set([source, ...members()])].filter((one) => one !== node && one !== '');
      const asked = sources[turn % sources.length];
      if (asked === undefined) throw cancelled(`layer ${sealed.layer} is at no other node`);
      const link = isKept ? this.#linkWithContents(layer, sealed, asked) : this.#link(store, sealed, asked);
      const ends = await this.#followOne(link, store, sealed, { hasOthers: sources.length > 1, end });
      if (ends !== undefined) return ends;
      // Another state comes of a merge, which takes a while.
      if ((turn + 1) % sources.length === 0) await pauseBefore(end, clock, LOOK_MS);
    }
  }

  /** Undefined when another one is to be asked. @throws OperationError CANCELLED */
  async #followOne(
    link: FollowLink,
    store: ImageStore,
    sealed: SealedLayer,
    { hasOthers, end }: { hasOthers: boolean; end: AbortSignal },
  ): Promise<readonly EpochEnd[] | undefined> {
    const { clock } = this.#parts;
    try {
      for (;;) {
        const look = new AbortController();
        const timer = clock.setTimer(LOOK_MS, () => look.abort());
        await settledBefore(AbortSignal.any([end, look.signal]), link.follower.marked());
        timer.cancel();
        if (link.follower.isEqual && sameTable(store.table.mark, sealed)) return link.follower.ends;
        if (end.aborted) throw cancelled(`layer ${sealed.layer} did not come in time: ${link.reason}`);
        // One that has another state of the layer does not change it soon: it has not merged it, or is doing so.
        if (hasOthers && (link.hasFailed || link.follower.isEqual)) return undefined;
      }
    } finally {
      link.close();
    }
  }

  #link(store: ImageStore, proof: SealedLayer, source: string, tableTaker?: FollowParts['tableTaker']): FollowLink {
    const { layers, dial, clock, log } = this.#parts;
    const traffic = layers.trafficOf(store.layer);
    return new FollowLink({ store, source, dial, clock, log, traffic, proof, tableTaker });
  }

  /** Answers count on what is here: it stays readable until what replaces it is (SOUNDNESS A13). */
  #linkWithContents(layer: LayerBlocks, proof: SealedLayer, source: string): FollowLink {
    const { layers, dial, clock, log } = this.#parts;
    const around = { layer, source, layers, dial, clock, log, proof, equalUpTo: undefined };
    return this.#link(layer.store, proof, source, (failed) => new KeptFollower({ ...around, failed }));
  }
}

function emptyLayer({ layer, bytes }: SealedLayer): NewLayer {
  return { image: NO_IMAGE, layer, bytes, isOrigin: false, state: { role: 'loose' } };
}

/** Nobody goes on with it. */
async function ended({ end, done }: Bringing): Promise<void> {
  end.abort();
  await done.catch(() => undefined);
}

/** A layer that says nothing: one that a closed image was covered with, and covered again, was never at any store. */
function isEmpty(sealed: SealedLayer, { state, table }: ImageStore): boolean {
  return sealed.entries === 0 && table.mark.entries === 0 && state.role === 'loose';
}

/** The proof as a store keeps it: what its table equals, so that it may be followed, and followed on from. */
export function closingOf(
  { state }: ImageStore,
  { lastSequence, entries, digest }: SealedLayer,
): NonNullable<typeof state.closing> {
  const { image, epoch, generation } = state;
  return { image, epoch, generation, lastSequence, entries, digest };
}

/** Of an order from before a merge: what it names is not to be had any more, and must not be made anew. */
function wasMerged(layer: string, into: string): OperationError {
  const what = layer === into ? `layer ${layer} is more by now` : `layer ${layer} was merged into layer ${into}`;
  return new OperationError('LAYER_MERGED', what, { remedy: 'Ask the catalogue for the stack, and order it again.' });
}

/** Of a layer that somebody still needs as it is. */
export function layerInUse(layer: string, how: string): OperationError {
  return new OperationError('LAYER_IN_USE', `layer ${layer} ${how}`, { remedy: 'Wait for that to end.' });
}
