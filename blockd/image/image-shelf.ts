// All images of this node's store, by name. Finds each again after a restart and lets one step at a time happen to it.
import { join } from 'node:path';
import { type Clock, deadline } from '../../common/clock.ts';
import type { Disk } from '../../common/disk/disk.ts';
import { isFull } from '../../common/disk/disk-room.ts';
import { OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Closing, ExportFormat } from '../../wire/contracts/blockd.ts';
import type { Stack } from '../../wire/contracts/layers.ts';
import type { PropagationMemory } from '../../wire/contracts/propagation.ts';
import type { CatalogueMark, KeptRecords } from '../../wire/contracts/store-report.ts';
import type { Conversion, Converter } from '../convert/converter.ts';
import { CopyShelf } from '../copies/copy-shelf.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import { LayerMerges } from '../layers/layer-merges.ts';
import { LayerShelf } from '../layers/layer-shelf.ts';
import { MemberBook } from '../layers/member-book.ts';
import type { Dial } from '../peer/peer-stream.ts';
import { sameTable } from '../peer/table-follower.ts';
import { checkImageBytes, type OpenOptions } from '../store/image-files.ts';
import { PropagationBook } from '../transfer/propagation-book.ts';
import type { SpareProcessor } from '../transfer/pull-pace.ts';
import type { CacheLimits } from '../upkeep/cache-cap.ts';
import { RoomWait } from '../upkeep/room-wait.ts';
import { Upkeep } from '../upkeep/upkeep.ts';
import { CutOffWriters, type CutOffWritersParts } from './cut-off-writers.ts';
import { EndedLedger } from './ended-ledger.ts';
import { coveredLayers, ImageCuts } from './image-cuts.ts';
import type { ImageHost } from './image-host.ts';
import { type FileImport, importImage } from './image-import.ts';
import { isOpen, type Opening, otherTop } from './image-roles.ts';
import { ImageTops } from './image-tops.ts';
import { ImageTurns } from './image-turns.ts';
import type { Serve } from './served-image.ts';
import { ShelfCuts } from './shelf-cuts.ts';
import { type ReaderShown, StillExports } from './still-exports.ts';
import { StillImage, type StillOrder } from './still-image.ts';
import { StoreRatchet } from './store-ratchet.ts';

export interface ShelfParts extends Pick<OpenOptions, 'checkpointBytes'> {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** This node's name. */
  readonly node: string;
  /** The directory of the daemon's durable state. */
  readonly state: string;
  readonly dial: Dial;
  readonly serve: Serve;
  readonly converter: Converter;
  /** What a start had no room for stays as it is; otherwise it goes on under its epoch once there is room. */
  readonly waitsForNoRoom?: true;
  /** Without it no cached block is let go of. */
  readonly cache?: CacheLimits;
  /** Without it background work never stands back. */
  readonly processor?: SpareProcessor;
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
  readonly cuts: ShelfCuts;
  readonly merges: LayerMerges;
  readonly upkeep: Upkeep;
  readonly ratchet: StoreRatchet;
  readonly #parts: ShelfParts;
  readonly #tops: ImageTops;
  readonly #turns = new ImageTurns();
  /** By layers: one is dropped before it is opened late or imported, or after its image is there. */
  readonly #layerTurns = new ImageTurns();
  readonly #cuts: ImageCuts;
  readonly #stills: StillExports;
  readonly #cutOff: CutOffWriters;
  readonly #roomWait: RoomWait;

  constructor(parts: ShelfParts) {
    this.#parts = parts;
    const { log, disk, state } = parts;
    this.ended = new EndedLedger(disk, join(state, 'ended.json'));
    this.members = new MemberBook(disk, join(state, 'members.json'));
    this.propagation = new PropagationBook(disk, join(state, 'propagation.json'));
    this.ratchet = new StoreRatchet(disk, join(state, 'ratchet.json'), log);
    const members = (): string[] => this.members.names;
    const memoryOf = (image: string): PropagationMemory | undefined => this.propagation.memoryOf(image);
    this.layers = new LayerShelf({ ...parts, members, memoryOf, directory: join(state, 'layers') });
    this.kept = new CopyShelf(this, parts);
    const { layers, kept, ended, propagation: book } = this;
    this.#tops = new ImageTops({ ...parts, layers, kept, book, members: () => this.members.all });
    this.merges = new LayerMerges(this, parts);
    const roomWait = new RoomWait({ ...parts, room: parts.cache?.room });
    this.#roomWait = roomWait;
    this.#cuts = new ImageCuts({ layers, roomWait, log });
    this.cuts = new ShelfCuts({ cuts: this.#cuts, ended, layers, tops: this.#tops, turns: this.#turns });
    this.#stills = new StillExports({ ...parts, layers, isOpen: (image) => this.#tops.isOpen(image) });
    const inTurn: CutOffWritersParts['inTurn'] = (image, step) => this.inTurn(image, step);
    this.#cutOff = new CutOffWriters({ ...parts, records: layers.records, hosts: () => this.hosts, inTurn });
    this.upkeep = new Upkeep({ ...parts, layers, kept, book: this.propagation, hosts: () => this.hosts, members });
  }

  /** Opens every layer, then every image, and goes on where the daemon stopped. */
  async start(): Promise<void> {
    const { disk, state } = this.#parts;
    await disk.makeDirectory(state);
    await this.ended.load();
    await this.members.load();
    await this.propagation.load();
    await this.layers.load();
    // What fails for one image must not keep the others from their guests.
    await this.#cuts.recover();
    for (const layer of this.#foundTops()) await this.#resume(layer);
    for (const layer of this.#parts.waitsForNoRoom === true ? [] : this.layers.roomless) {
      this.#roomWait.add(`layer ${layer}`, () => this.#layerTurns.take(layer, () => this.#openLate(layer)));
    }
    await this.#stills.start();
    await this.upkeep.start();
    this.#cutOff.start();
    void this.merges.resume();
  }

  #foundTops(): LayerBlocks[] {
    const covered = coveredLayers(this.layers.all.map(({ store }) => store));
    return this.layers.all.filter(
      ({ store }) => (isOpen(store.state.role) || store.state.role === 'replica') && !covered.has(store.layer),
    );
  }

  async #resume(top: LayerBlocks): Promise<void> {
    const { image } = top.store;
    const host = this.#tops.add(top);
    try {
      await host.resume();
    } catch (error) {
      this.#parts.log.error({ err: error, image }, 'an image is not served');
      if (isFull(error) && this.#parts.waitsForNoRoom !== true)
        this.#roomWait.add(`image ${image}`, () => this.inTurn(image, () => host.resume()));
    }
  }

  /** A layer for which the disk had no room at the start: its image goes on where the daemon stopped. */
  async #openLate(layer: string): Promise<void> {
    const late = await this.layers.openAgain(layer);
    if (late === undefined) return;
    const { image } = late.store;
    await this.inTurn(image, async () => {
      await this.#cuts.recover([late]);
      const top = this.#foundTops().find(({ store }) => store.image === image);
      if (top !== undefined && this.find(image) === undefined) await this.#resume(top);
    });
    for (const host of this.hosts) host.completeAgain();
  }

  get hosts(): readonly ImageHost[] {
    return this.#tops.all;
  }

  find(image: string): ImageHost | undefined {
    return this.#tops.find(image);
  }

  /** @throws OperationError NO_IMAGE, IMAGE_UNUSABLE */
  get(image: string): ImageHost {
    return this.#tops.get(image);
  }

  /**
   * The image with this very stack; its top is made, empty, if this store has not got it. What was the image's top here
   * before becomes a layer of it.
   * @throws OperationError BAD_SIZE, SIZE_DIFFERS, IMAGE_UNUSABLE, IMAGE_OPEN, EPOCH_ENDED
   */
  async ensure({ image, bytes, stack, epoch }: KnownImage): Promise<ImageHost> {
    this.layers.refuseUnusable(stack.layer);
    this.layers.refuseRead(stack.layer);
    const known = this.#tops.find(image);
    if (known !== undefined && known.image.store.layer !== stack.layer) await this.#tops.supersede(known, stack, epoch);
    const host = this.#tops.find(image) ?? (await this.#tops.make(image, bytes, stack));
    // Layers that are not all here may be named as they were before a merge; and one that was merged since must not lie over what
    // it was merged into.
    if (!host.image.isWhole || this.#hasAll(stack)) await host.restack(stack.below);
    const ownBytes = host.image.store.bytes;
    if (ownBytes === bytes) return host;
    throw new OperationError('SIZE_DIFFERS', `image ${image} has ${ownBytes} bytes here, not ${bytes}`, {
      remedy: 'Ask the catalogue for its size.',
    });
  }

  /** Whether all that lies below the top is here as it is proven. */
  #hasAll({ below }: Stack): boolean {
    return below.every((sealed) => {
      const store = this.layers.find(sealed.layer)?.store;
      if (store?.state.role !== 'sealed' || (store.state.merging ?? null) !== null) return false;
      return sameTable(store.table.mark, sealed);
    });
  }

  /** @throws OperationError IMAGE_EXISTS, BAD_SIZE */
  async create(image: string, layer: string, bytes: number): Promise<void> {
    checkImageBytes(image, bytes);
    await this.#tops.makeWay(image, layer);
    this.#tops.add(await this.layers.create({ image, layer, bytes, isOrigin: true }));
  }

  /**
   * Whoever gives it up and has its layer dropped waits for its end: it would come after that otherwise, and stay.
   * @throws OperationError IMAGE_EXISTS, IMAGE_REFUSED, BAD_SIZE, CANCELLED; Error of the disk; nothing is left then
   */
  import(job: FileImport): Promise<ImageHost> {
    return this.#layerTurns.take(job.layer, async () => {
      await this.#tops.makeWay(job.image, job.layer);
      const { directory } = this.layers;
      return this.#tops.add(this.layers.add(await importImage({ ...this.#parts, directory }, job)));
    });
  }

  /**
   * Writes layers that nobody changes as one disk to a new file, and answers the size of the disk in it.
   * @throws OperationError those of `StillImage` and of the conversion
   */
  async export(order: StillOrder, format: ExportFormat, out: Conversion): Promise<number> {
    const layers = order.layers.map(({ layer }) => layer);
    await this.merges.settled(layers);
    const still = new StillImage(order, this.layers);
    return this.layers.reading(layers, () => this.#parts.converter.take(still, format, out));
  }

  /** Forgets a layer, and the image whose top it is. @throws OperationError LAYER_IN_USE; Error of the disk */
  drop(layer: string): Promise<void> {
    return this.#layerTurns.take(layer, async () => {
      const host = await this.#tops.forgetTop(layer);
      if (host !== undefined) await this.propagation.forget(host.name);
      this.kept.end(layer);
      await this.#stills.without(layer, () => this.layers.drop(layer));
      await this.#tops.renewOver(layer);
    });
  }

  /**
   * Closes an image under its epoch, or says again how that ended. Of an epoch that never wrote here it says so, and no
   * opening under it that comes later will.
   * @throws OperationError IMAGE_NOT_OPEN, IMAGE_UNUSABLE, OTHER_TOP, NOT_WRITER, IMAGE_IN_USE
   */
  async endEpoch(image: string, layer: string, epoch: number): Promise<Closing> {
    this.layers.refuseUnusable(layer);
    const host = this.#tops.find(image);
    if (host?.image.store.state.below.some((sealed) => sealed.layer === layer) === true) throw otherTop(image, layer);
    const closing = host?.image.store.layer === layer ? await host.close(epoch) : undefined;
    if (closing !== undefined) return closing;
    await this.ended.endEpoch(layer, epoch);
    const { node } = this.#parts;
    throw new OperationError('IMAGE_NOT_OPEN', `image ${image} was never open under epoch ${epoch} at node ${node}`, {
      remedy: 'Give the epoch back to the catalogue.',
    });
  }

  /**
   * Serves a closed image to readers, as it was closed, once the records that are kept here say so; answers the socket.
   * @throws OperationError those of an opening; READER_UNKNOWN
   */
  async read(known: KnownImage, opening: Opening, signal: AbortSignal): Promise<string> {
    const host = await this.ensure(known);
    await host.rest(opening, signal);
    return this.#stills.reading(known.image);
  }

  /** Who writes here from the epoch on takes the place of who read before. */
  endReading(image: string, epoch: number): Promise<void> {
    return this.#stills.endReading(image, epoch);
  }

  /** The images that are open for reading here, with their clients. */
  get readers(): readonly ReaderShown[] {
    return this.#stills.readers;
  }

  /** What is served here only to be read. */
  get readings(): StillExports['running'] {
    return this.#stills.running;
  }

  /** Keeps the catalogue's records; what they have shown is shown when it answers. @throws Error of the disk */
  async keepRecords(records: KeptRecords): Promise<CatalogueMark> {
    const mark = await this.layers.records.keep(records);
    await this.#stills.reviewed;
    return mark;
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
    this.#cutOff.stop();
    await this.#roomWait.stop();
    this.kept.close();
    // One that cannot be closed in order must not keep the others from it.
    const stops = await Promise.allSettled(this.hosts.map((host) => host.stop()));
    await this.#stills.stop();
    await this.layers.close();
    await this.propagation.written();
    const failed = stops.find((stop) => stop.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
