// The copies that this store keeps for other nodes' writers, by layer, and the streams on which they are offered. A layer
// that is this node's own, or anybody's who may write, is never kept for another.
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { CopyOffer } from '../../wire/contracts/layers.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import { encodePeerFrame, type PeerFrame, PeerFrameReader } from '../peer/peer-frame.ts';
import type { Dial, PeerStream, StreamEvents } from '../peer/peer-stream.ts';
import { CopyKeeper, mayKeep } from './copy-keeper.ts';
import { wholeNote } from './whole-copy.ts';

/** The store that the copies lie in. */
export interface CopyHolder {
  readonly layers: LayerShelf;
  /** One step to an image at a time. */
  inTurn<T>(image: string, step: () => Promise<T>): Promise<T>;
  /** What is done with the image here besides. */
  find(image: string): CopiedHost | undefined;
}

/** An image that is here besides its copy. */
interface CopiedHost {
  followNoMore(): void;
  /** Where a stand-by hears its writer's table. */
  readonly table: {
    mayHearCopy(layer: string, source: string): boolean;
    hearCopy(source: string): void;
  };
}

export interface CopyShelfParts {
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
}

/** The copies of one store. */
export class CopyShelf {
  readonly #holder: CopyHolder;
  readonly #parts: CopyShelfParts;
  readonly #keepers = new Map<string, CopyKeeper>();

  constructor(holder: CopyHolder, parts: CopyShelfParts) {
    this.#holder = holder;
    this.#parts = parts;
  }

  /** A stream that a writer opened to this store; the answered functions are told of what comes on it. */
  accept(stream: PeerStream, source: string): StreamEvents {
    const reader = new PeerFrameReader();
    let keeper: CopyKeeper | undefined;
    let isOffered = false;
    let isClosed = false;
    const take = (frame: PeerFrame): void => {
      if (frame.type !== 'copy' || isOffered) {
        stream.close();
        return;
      }
      isOffered = true;
      this.#keep(frame.offer, source, stream, () => isClosed).then(
        (begun) => {
          keeper = begun;
          keeper?.begin();
        },
        (error: unknown) => this.#refuse(frame.offer, source, stream, error),
      );
    };
    return {
      received: (chunk) => {
        if (keeper !== undefined) keeper.received(chunk);
        else if (!reader.receive(chunk, take)) stream.close();
      },
      drained: () => undefined,
      closed: () => {
        isClosed = true;
        keeper?.close();
      },
    };
  }

  /** Whether a writer may count on the layer as a part of its copy: its blocks are promised, and not only cached. */
  isCopy(layer: string): boolean {
    return [...this.#keepers.values()].some((keeper) => !keeper.isClosed && keeper.includes(layer));
  }

  keeps(layer: string): boolean {
    return this.#keepers.get(layer)?.isClosed === false;
  }

  /**
   * A stand-by wants the table: the keeper from which it is to hear it, where this writer's copy is or was whole. By itself it
   * would name blocks before their contents are here, and what was flushed would be gone. Another keeper ends: a table has
   * one source at a time.
   */
  handOver(layer: string, source: string): CopyKeeper | undefined {
    const keeper = this.#keepers.get(layer);
    if (keeper?.isClosed === false && keeper.wasWhole && keeper.source === source) return keeper;
    this.end(layer);
    return undefined;
  }

  /** The layer is to be another's: nothing more is taken for it. */
  end(layer: string): void {
    this.#keepers.get(layer)?.close();
    this.#keepers.delete(layer);
  }

  close(): void {
    for (const layer of [...this.#keepers.keys()]) this.end(layer);
  }

  async #keep(
    offer: CopyOffer,
    source: string,
    stream: PeerStream,
    isClosed: () => boolean,
  ): Promise<CopyKeeper | undefined> {
    const { dial, clock, log } = this.#parts;
    const { layers } = this.#holder;
    const layer = await this.#holder.inTurn(offer.image, () => this.#prepare(offer, source));
    if (isClosed()) return undefined;
    // A writer that dials anew has given its earlier stream up; so has one whose image was cut.
    for (const [kept, keeper] of this.#keepers) if (keeper.isClosed || keeper.image === offer.image) this.end(kept);
    const keeper = new CopyKeeper({ offer, layer, source, layers, stream, dial, clock, log });
    this.#keepers.set(offer.stack.layer, keeper);
    log.info({ image: offer.image, layer: offer.stack.layer, node: source }, 'a copy is kept');
    this.#holder.find(offer.image)?.table.hearCopy(source);
    return keeper.isClosed ? undefined : keeper;
  }

  /** The layer, made if it is not here; its own numbers are none that the writer could give. */
  async #prepare(offer: CopyOffer, source: string): Promise<LayerBlocks> {
    const { layers } = this.#holder;
    const { image, bytes, lastSequence, epoch } = offer;
    const { layer: id, generation, below } = offer.stack;
    layers.refuseUnusable(id);
    layers.refuseRead(id);
    for (const { layer: part } of [offer.stack, ...below]) {
      const place = layers.records.pinnedElsewhere(part);
      if (place !== undefined) throw new Error(`layer ${part} is pinned to ${place}`);
    }
    const layer = await layers.findOrCreate({
      ...{ image, layer: id, bytes, isOrigin: false, lastSequence },
      state: { role: 'loose', generation, below },
    });
    // Somebody else may have begun to bring it meanwhile.
    layers.refuseRead(id);
    // A replica that heard of the writer's table by itself would name blocks before their contents are here.
    const host = this.#holder.find(image);
    host?.followNoMore();
    const { store } = layer;
    const { role, ends, copiedUnder = 0 } = store.state;
    // Refused until its stand-by ends, the writer's flushes would wait as long, and the guest's stop for them.
    const isBeside = host?.table.mayHearCopy(id, source) === true;
    if (!mayKeep(role) && role !== 'sealed' && !isBeside) throw new Error(`layer ${id} is ${role} here`);
    if (store.bytes !== bytes) throw new Error(`layer ${id} has ${store.bytes} bytes here, not ${bytes}`);
    if (ends.some((end) => end.epoch >= epoch)) throw new Outdated(`epoch ${epoch} of image ${image} has ended`);
    // One that never changes again only has to say that it is all here.
    if (role === 'sealed') return layer;
    if (epoch < copiedUnder) throw new Outdated(`the copy of image ${image} is of epoch ${copiedUnder}, not ${epoch}`);
    const state = { ...wholeNote(store), copiedUnder: epoch };
    // After a crash of this node what was being taken gets a number of its own (SOUNDNESS A1, A3).
    store.table.lastSequence = Math.max(store.table.lastSequence, lastSequence);
    await store.commit({ reserve: true, state });
    return layer;
  }

  #refuse({ image, stack }: CopyOffer, node: string, stream: PeerStream, error: unknown): void {
    const reason = messageOf(error);
    this.#parts.log.warn({ image, layer: stack.layer, node, reason }, 'a copy is not kept');
    stream.write(encodePeerFrame({ type: error instanceof Outdated ? 'outdated' : 'refused', reason }));
    stream.close();
  }
}

/** Another writer has come since the one that offers. */
class Outdated extends Error {}
