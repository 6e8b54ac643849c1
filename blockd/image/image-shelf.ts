// All images of this node's store, by name. Finds each again after a restart and lets one step at a time happen to it.
import { join } from 'node:path';
import { type Clock, deadline } from '../../common/clock.ts';
import type { Disk } from '../../common/disk.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Closing, CutImage, ExportFormat } from '../../wire/contracts/blockd.ts';
import type { Stack } from '../../wire/contracts/layers.ts';
import type { Conversion, Converter } from '../convert/converter.ts';
import { CopyShelf } from '../copies/copy-shelf.ts';
import type { Dial } from '../peer/peer-stream.ts';
import { checkImageBytes, type NewLayer, type OpenOptions } from '../store/image-files.ts';
import type { Cut } from '../store/store-record.ts';
import type { CacheLimits } from './cache-cap.ts';
import { EndedLedger } from './ended-ledger.ts';
import { Image } from './image.ts';
import { coveredLayers, ImageCuts } from './image-cuts.ts';
import { ImageHost } from './image-host.ts';
import { type FileImport, importImage } from './image-import.ts';
import { isOpen, otherTop } from './image-roles.ts';
import { ImageTurns } from './image-turns.ts';
import type { LayerBlocks } from './layer-blocks.ts';
import { layerInUse } from './layer-bringer.ts';
import { LayerShelf } from './layer-shelf.ts';
import { MemberBook } from './member-book.ts';
import { PropagationBook } from './propagation-book.ts';
import type { Serve } from './served-image.ts';
import { StillImage, type StillOrder } from './still-image.ts';
import { Upkeep } from './upkeep.ts';

export interface ShelfParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** This node's name. */
  readonly node: string;
  /** The directory of the daemon's durable state. */
  readonly state: string;
  readonly dial: Dial;
  readonly serve: Serve;
  readonly dropCached: OpenOptions['dropCached'];
  readonly converter: Converter;
  /** Without it no cached block is let go of. */
  readonly cache?: CacheLimits;
}

/** An image as its opener knows it. */
export interface KnownImage {
  readonly image: string;
  readonly bytes: number;
  readonly stack: Stack;
  /** Under which it is to be opened. */
  readonly epoch: number;
}

/** The images of one store. */
export class ImageShelf {
  readonly ended: EndedLedger;
  readonly layers: LayerShelf;
  readonly kept: CopyShelf;
  readonly members: MemberBook;
  readonly propagation: PropagationBook;
  readonly #parts: ShelfParts;
  readonly #hosts = new Map<string, ImageHost>();
  readonly #turns = new ImageTurns();
  readonly #cuts: ImageCuts;
  readonly upkeep: Upkeep;

  constructor(parts: ShelfParts) {
    this.#parts = parts;
    const { log, disk, state } = parts;
    this.ended = new EndedLedger(disk, join(state, 'ended.json'));
    this.members = new MemberBook(disk, join(state, 'members.json'));
    this.propagation = new PropagationBook(disk, join(state, 'propagation.json'));
    const members = (): string[] => this.members.names;
    this.layers = new LayerShelf({ ...parts, members, directory: join(state, 'layers') });
    this.kept = new CopyShelf(this, parts);
    this.#cuts = new ImageCuts({ layers: this.layers, log });
    this.upkeep = new Upkeep({ ...parts, layers: this.layers, kept: this.kept, hosts: () => this.hosts, members });
  }

  /** Opens every layer, then every image, and goes on where the daemon stopped. */
  async start(): Promise<void> {
    const { disk, state, log } = this.#parts;
    await disk.makeDirectory(state);
    await this.ended.load();
    await this.members.load();
    await this.propagation.load();
    await this.layers.load();
    // What fails for one image must not keep the others from their guests.
    await this.#cuts.recover();
    const covered = coveredLayers(this.layers.all.map(({ store }) => store));
    const isTop = ({ store }: LayerBlocks): boolean =>
      (isOpen(store.state.role) || store.state.role === 'replica') && !covered.has(store.layer);
    for (const layer of this.layers.all.filter(isTop)) {
      await this.#add(layer)
        .resume()
        .catch((error: unknown) => log.error({ err: error, image: layer.store.image }, 'an image is not served'));
    }
    await this.upkeep.start();
  }

  get hosts(): readonly ImageHost[] {
    return [...this.#hosts.values()];
  }

  find(image: string): ImageHost | undefined {
    return this.#hosts.get(image);
  }

  /** @throws OperationError NO_IMAGE, IMAGE_UNUSABLE */
  get(image: string): ImageHost {
    const host = this.#hosts.get(image);
    if (host !== undefined) return host;
    this.layers.refuseAnyUnusable();
    throw new OperationError('NO_IMAGE', `there is no image ${image} at node ${this.#parts.node}`, {
      remedy: 'List the images of this node.',
    });
  }

  /**
   * The image with this very stack; its top is made, empty, if this store has not got it. What was the image's top here
   * before becomes a layer of it.
   * @throws OperationError BAD_SIZE, SIZE_DIFFERS, IMAGE_UNUSABLE, IMAGE_OPEN, EPOCH_ENDED
   */
  async ensure({ image, bytes, stack, epoch }: KnownImage): Promise<ImageHost> {
    this.layers.refuseUnusable(stack.layer);
    this.layers.refuseRead(stack.layer);
    const known = this.#hosts.get(image);
    if (known !== undefined && known.image.store.layer !== stack.layer) await this.#supersede(known, stack, epoch);
    const host = this.#hosts.get(image) ?? (await this.#make(image, bytes, stack));
    const ownBytes = host.image.store.bytes;
    if (ownBytes === bytes) return host;
    throw new OperationError('SIZE_DIFFERS', `image ${image} has ${ownBytes} bytes here, not ${bytes}`, {
      remedy: 'Ask the catalogue for its size.',
    });
  }

  /** @throws OperationError IMAGE_EXISTS, BAD_SIZE */
  async create(image: string, layer: string, bytes: number): Promise<void> {
    checkImageBytes(image, bytes);
    await this.#makeWay(image, layer);
    this.#add(await this.layers.create({ image, layer, bytes, isOrigin: true }));
  }

  /** @throws OperationError IMAGE_EXISTS, IMAGE_REFUSED, BAD_SIZE, CANCELLED; Error of the disk; nothing is left then */
  async import(job: FileImport): Promise<ImageHost> {
    await this.#makeWay(job.image, job.layer);
    const { directory } = this.layers;
    return this.#add(this.layers.add(await importImage({ ...this.#parts, directory }, job)));
  }

  /**
   * Writes layers that nobody changes as one disk to a new file, and answers the size of the disk in it.
   * @throws OperationError those of `StillImage` and of the conversion
   */
  export(order: StillOrder, format: ExportFormat, out: Conversion): Promise<number> {
    const still = new StillImage(order, this.layers);
    const layers = order.layers.map(({ layer }) => layer);
    return this.layers.reading(layers, () => this.#parts.converter.take(still, format, out));
  }

  /** Forgets a layer, and the image whose top it is. @throws OperationError LAYER_IN_USE; Error of the disk */
  async drop(layer: string): Promise<void> {
    const isOf = ({ image }: ImageHost): boolean => image.store.layer === layer;
    const reader = this.hosts.find((host) => {
      const { role, below } = host.image.store.state;
      return isOpen(role) && (isOf(host) || below.some((sealed) => sealed.layer === layer));
    });
    if (reader !== undefined) throw layerInUse(layer, `is part of image ${reader.name}, which is in use here`);
    const host = this.hosts.find(isOf);
    if (host !== undefined) {
      await this.#forget(host);
      await this.propagation.forget(host.name);
    }
    this.kept.end(layer);
    await this.layers.drop(layer);
  }

  /** Cuts images that are open here, in the turn of each. @throws OperationError CUT_ENDED and those of the cut */
  cut(cut: Cut): Promise<CutImage[]> {
    const names = cut.images.map(({ image }) => image);
    return this.#turns.takeAll(names, () => {
      this.ended.checkCut(cut.id);
      return this.#cuts.cut(cut, this.#imagesOf(cut.images));
    });
  }

  /** Ends a cut for ever, and says what it did before. @throws OperationError CUT_TORN; Error of the disk */
  async cancelCut(cut: string, names: readonly string[]): Promise<CutImage[]> {
    const images = names.filter((image) => this.#hosts.has(image)).map((image) => ({ image }));
    if (images.length < names.length) this.layers.refuseAnyUnusable();
    if (images.length === 0) {
      await this.ended.endCut(cut);
      return [];
    }
    const ended = this.ended.endCut(cut);
    const known = images.map(({ image }) => image);
    const sealed = await this.#turns.takeAll(known, () => this.#cuts.cancel(cut, this.#imagesOf(images)));
    await ended;
    return sealed;
  }

  /**
   * Closes an image under its epoch, or says again how that ended. Of an epoch that never wrote here it says so, and no
   * opening under it that comes later will.
   * @throws OperationError IMAGE_NOT_OPEN, IMAGE_UNUSABLE, OTHER_TOP, NOT_WRITER, IMAGE_IN_USE
   */
  async endEpoch(image: string, layer: string, epoch: number): Promise<Closing> {
    this.layers.refuseUnusable(layer);
    const host = this.#hosts.get(image);
    if (host?.image.store.state.below.some((sealed) => sealed.layer === layer) === true) throw otherTop(image, layer);
    const closing = host?.image.store.layer === layer ? await host.close(epoch) : undefined;
    if (closing !== undefined) return closing;
    await this.ended.endEpoch(layer, epoch);
    const { node } = this.#parts;
    throw new OperationError('IMAGE_NOT_OPEN', `image ${image} was never open under epoch ${epoch} at node ${node}`, {
      remedy: 'Give the epoch back to the catalogue.',
    });
  }

  /** Does one step to an image at a time; steps of different images overlap. */
  inTurn<T>(image: string, step: () => Promise<T>): Promise<T> {
    return this.#turns.take(image, step);
  }

  /** The end of a wait of so many ms. */
  deadline(ms: number): AbortSignal {
    return deadline(this.#parts.clock, ms);
  }

  async close(): Promise<void> {
    this.upkeep.stop();
    this.kept.close();
    // One that cannot be closed in order must not keep the others from it.
    const stops = await Promise.allSettled(this.hosts.map((host) => host.stop()));
    await this.layers.close();
    await this.propagation.written();
    const failed = stops.find((stop) => stop.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #make(image: string, bytes: number, { layer, generation, below }: Stack): Promise<ImageHost> {
    checkImageBytes(image, bytes);
    const lastSequence = below[0]?.lastSequence ?? 0;
    const fresh: NewLayer = { image, layer, bytes, isOrigin: false, lastSequence, state: { generation, below } };
    return this.#add(this.layers.find(layer) ?? (await this.layers.create(fresh)));
  }

  /** Another layer is the image's top now. What was it gives way as a writer does, and is brought like any other layer. */
  async #supersede(host: ImageHost, { below }: Stack, epoch: number): Promise<void> {
    const { store } = host.image;
    const isBelow = below.some(({ layer }) => layer === store.layer);
    if (isBelow) await host.giveWay(epoch);
    // An image of the name that is gone from the catalogue: its epochs say nothing of this one's.
    else if (store.state.role === 'standby') await host.cancel();
    else if (isOpen(store.state.role)) throw layerInUse(store.layer, `is a ${store.state.role} of ${host.name} here`);
    await this.#loosen(host);
  }

  async #loosen(host: ImageHost): Promise<void> {
    const { store } = host.image;
    await this.#forget(host);
    if (store.state.role === 'replica') await store.commit({ state: { role: 'loose' } });
  }

  async #forget(host: ImageHost): Promise<void> {
    await host.stop();
    this.#hosts.delete(host.name);
  }

  #add(top: LayerBlocks): ImageHost {
    const found = top.store.state.below.map(({ layer }) => this.layers.find(layer));
    const below = found.filter((layer) => layer?.store.state.role === 'sealed');
    const isWhole = below.length === found.length;
    const image = new Image({ top, below: isWhole ? below.filter((one) => one !== undefined) : [], ...this.#parts });
    const host = new ImageHost({
      ...{ ...this.#parts, image, layers: this.layers, kept: this.kept },
      members: () => this.members.all,
      book: this.propagation,
    });
    this.#hosts.set(top.store.image, host);
    return host;
  }

  #imagesOf(images: Readonly<Pick<Cut['images'][number], 'image'>>[]): Image[] {
    return images.map(({ image }) => this.get(image).image);
  }

  /**
   * An image of the name that is gone from the catalogue keeps its layers for whoever names them; one that is open, or is
   * the very one that is to be made, is in the way.
   */
  async #makeWay(image: string, layer: string): Promise<void> {
    this.layers.refuseUnusable(layer);
    const known = this.#hosts.get(image);
    if (known === undefined) return;
    if (isOpen(known.image.store.state.role) || known.image.store.layer === layer) {
      throw new OperationError('IMAGE_EXISTS', `there is an image ${image} at node ${this.#parts.node} already`, {
        remedy: 'Choose another name.',
      });
    }
    await this.#loosen(known);
  }
}
