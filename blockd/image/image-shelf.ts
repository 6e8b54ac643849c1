// All images of this node's store, by name, and the members whose stores may be asked for blocks. Finds every image
// again after a restart and lets one step at a time happen to each.
import { join } from 'node:path';
import { Type } from 'typebox';
import { type Clock, deadline } from '../../common/clock.ts';
import type { Disk } from '../../common/disk.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Closing, ExportFormat, ImageFormat } from '../../wire/contracts/blockd.ts';
import { Endpoint } from '../../wire/names.ts';
import type { Conversion, Converter, ForeignDisk } from '../convert/converter.ts';
import { PeerBlocks } from '../peer/peer-blocks.ts';
import type { Dial } from '../peer/peer-stream.ts';
import { newTraffic, type Traffic } from '../peer/traffic.ts';
import {
  checkImageBytes,
  createImage,
  deleteImage,
  imagePaths,
  listImages,
  type OpenOptions,
  openImage,
} from '../store/image-files.ts';
import type { ImageStore } from '../store/image-store.ts';
import { adoptRaw, importRaw, type RawImport } from '../store/raw-import.ts';
import { EndedLedger } from './ended-ledger.ts';
import { Image } from './image.ts';
import { type HostParts, ImageHost } from './image-host.ts';
import { Scrub } from './scrub.ts';
import { StateFile } from './state-file.ts';

export interface ShelfParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** This node's name. */
  readonly node: string;
  /** The directory of the daemon's durable state. */
  readonly state: string;
  readonly dial: Dial;
  readonly serve: HostParts['serve'];
  readonly dropCached: OpenOptions['dropCached'];
  readonly converter: Converter;
}

/** An image that is to be made of a file; without a format it is recognised. */
export interface FileImport extends RawImport {
  readonly path: string;
  readonly format?: ImageFormat | undefined;
}

const Members = Type.Array(Endpoint);

/** The images of one store. */
export class ImageShelf {
  readonly ended: EndedLedger;
  readonly #parts: ShelfParts;
  readonly #directory: string;
  readonly #membersFile: StateFile<typeof Members>;
  /** Images whose files are here and could not be opened, with the reason. */
  readonly #unusable = new Map<string, unknown>();
  readonly #hosts = new Map<string, ImageHost>();
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #traffic = new Map<string, Traffic>();
  readonly #blocks: PeerBlocks;
  readonly #scrub: Scrub;
  #members: readonly Endpoint[] = [];

  constructor(parts: ShelfParts) {
    this.#parts = parts;
    this.#directory = join(parts.state, 'images');
    const { dial, clock, log, disk, state } = parts;
    this.ended = new EndedLedger(disk, join(state, 'ended.json'));
    this.#membersFile = new StateFile(disk, join(state, 'members.json'), Members);
    this.#scrub = new Scrub({ images: () => this.hosts.map((host) => host.image), clock, log });
    this.#blocks = new PeerBlocks({ dial, clock, log, traffic: (image) => this.trafficOf(image) });
  }

  /** Opens every image and goes on where the daemon stopped. */
  async start(): Promise<void> {
    const { disk, log, dropCached } = this.#parts;
    await disk.makeDirectory(this.#directory);
    await this.ended.load();
    this.#members = (await this.#membersFile.read()) ?? [];
    for (const name of await listImages(disk, this.#directory)) {
      try {
        const store = await openImage(disk, this.#directory, name, { dropCached });
        if (store !== undefined) await this.#add(store).resume();
      } catch (error) {
        // One bad image must not keep the others from their guests.
        this.#unusable.set(name, error);
        log.error({ err: error, image: name }, 'an image cannot be used');
      }
    }
    this.#scrub.start();
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
    this.#refuseUnusable(image);
    throw new OperationError('NO_IMAGE', `there is no image ${image} at node ${this.#parts.node}`, {
      remedy: 'List the images of this node.',
    });
  }

  /**
   * The image, made empty if this store has none of that name.
   * @throws OperationError BAD_SIZE, SIZE_DIFFERS, IMAGE_UNUSABLE
   */
  async ensure(image: string, bytes: number): Promise<ImageHost> {
    this.#refuseUnusable(image);
    const host = this.#hosts.get(image) ?? (await this.#create(image, bytes, false));
    const ownBytes = host.image.store.bytes;
    if (ownBytes === bytes) return host;
    throw new OperationError('SIZE_DIFFERS', `image ${image} has ${ownBytes} bytes here, not ${bytes}`, {
      remedy: 'Delete it at this node if it is another image.',
    });
  }

  /** @throws OperationError IMAGE_EXISTS, BAD_SIZE */
  async create(image: string, bytes: number): Promise<void> {
    this.#refuseExisting(image);
    await this.#create(image, bytes, true);
  }

  /** @throws OperationError IMAGE_EXISTS, IMAGE_REFUSED, BAD_SIZE, CANCELLED; Error of the disk; nothing is left then */
  async import(job: FileImport): Promise<ImageHost> {
    this.#refuseExisting(job.image);
    const foreign = await this.#parts.converter.open(job.path, job.format);
    try {
      return this.#add(await this.#importDisk(foreign, job));
    } catch (error) {
      await deleteImage(this.#parts.disk, this.#directory, job.image);
      throw error;
    } finally {
      await foreign.close();
    }
  }

  /**
   * Writes a closed image whose blocks are all here to a new file, and answers the size of the disk in it.
   * @throws OperationError NO_IMAGE, IMAGE_OPEN, TABLE_DIFFERS, BLOCKS_ELSEWHERE and those of the conversion
   */
  export(last: Closing, format: ExportFormat, out: Conversion): Promise<number> {
    const { image } = this.get(last.image);
    image.checkWhole(last);
    return this.#parts.converter.take(image, format, out);
  }

  /** @throws OperationError IMAGE_OPEN */
  async delete(image: string): Promise<void> {
    const host = this.#hosts.get(image);
    if (host === undefined && !this.#unusable.has(image)) return;
    if (host !== undefined && host.image.store.state.role !== 'replica') {
      throw new OperationError('IMAGE_OPEN', `image ${image} is in use here`, { remedy: 'Close it first.' });
    }
    this.#hosts.delete(image);
    // A new image of the name must not begin with this one's figures.
    this.#traffic.delete(image);
    await host?.stop();
    await deleteImage(this.#parts.disk, this.#directory, image);
    this.#unusable.delete(image);
  }

  /**
   * Closes an image under its epoch, or says again how that ended. Of an epoch that never wrote here it says so, and no
   * opening under it that comes later will.
   * @throws OperationError IMAGE_NOT_OPEN, IMAGE_UNUSABLE, NOT_WRITER, IMAGE_IN_USE
   */
  async endEpoch(image: string, epoch: number): Promise<Closing> {
    this.#refuseUnusable(image);
    const closing = await this.#hosts.get(image)?.close(epoch);
    if (closing !== undefined) return closing;
    await this.ended.endEpoch(image, epoch);
    const { node } = this.#parts;
    throw new OperationError('IMAGE_NOT_OPEN', `image ${image} was never open under epoch ${epoch} at node ${node}`, {
      remedy: 'Give the epoch back to the catalogue.',
    });
  }

  /** Does one step to an image at a time; steps of different images overlap. */
  async inTurn<T>(image: string, step: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(image) ?? Promise.resolve();
    const turn = before.then(step, step);
    const quiet = turn.catch(() => undefined);
    this.#turns.set(image, quiet);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(image) === quiet) this.#turns.delete(image);
    }
  }

  /** Remembers who the members are, also over a restart. */
  async setMembers(members: readonly Endpoint[]): Promise<void> {
    this.#members = members;
    await this.#membersFile.write([...members]);
  }

  /** Adds or moves one member that a call has named. */
  async addMember(member: Endpoint): Promise<void> {
    if (this.addressOf(member.node) === member.address) return;
    await this.setMembers([...this.#members.filter((other) => other.node !== member.node), member]);
  }

  addressOf(node: string): string | undefined {
    return this.#members.find((member) => member.node === node)?.address;
  }

  /** The end of a wait of so many ms. */
  deadline(ms: number): AbortSignal {
    return deadline(this.#parts.clock, ms);
  }

  trafficOf(image: string): Traffic {
    const known = this.#traffic.get(image) ?? newTraffic();
    this.#traffic.set(image, known);
    return known;
  }

  async close(): Promise<void> {
    this.#scrub.stop();
    this.#blocks.close();
    // One that cannot be closed in order must not keep the others from it.
    const stops = await Promise.allSettled(this.hosts.map((host) => host.stop()));
    const failed = stops.find((stop) => stop.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** The content goes straight into the image's data file, so that it takes its room once. */
  async #importDisk(foreign: ForeignDisk, job: RawImport): Promise<ImageStore> {
    const { disk, converter } = this.#parts;
    if (foreign.format === 'raw') return importRaw(disk, this.#directory, foreign.content, job);
    await converter.bring(foreign, { ...job, path: imagePaths(this.#directory, job.image).data });
    return adoptRaw(disk, this.#directory, job);
  }

  async #create(image: string, bytes: number, isOrigin: boolean): Promise<ImageHost> {
    checkImageBytes(image, bytes);
    return this.#add(await createImage(this.#parts.disk, this.#directory, { image, bytes, isOrigin }));
  }

  #add(store: ImageStore): ImageHost {
    const { clock, node } = this.#parts;
    const members = (): string[] => this.#members.map((member) => member.node);
    const image = new Image({ store, clock, node, source: this.#blocks, members });
    const host = new ImageHost({ ...this.#parts, image, traffic: this.trafficOf(store.image) });
    this.#hosts.set(store.image, host);
    return host;
  }

  #refuseUnusable(image: string): void {
    const reason = this.#unusable.get(image);
    if (reason === undefined) return;
    const { node } = this.#parts;
    throw new OperationError('IMAGE_UNUSABLE', `image ${image} cannot be used at node ${node}: ${messageOf(reason)}`, {
      remedy: 'Look at the disk of that node, then restart blockd there; or delete the image there.',
      cause: reason,
    });
  }

  #refuseExisting(image: string): void {
    this.#refuseUnusable(image);
    if (!this.#hosts.has(image)) return;
    throw new OperationError('IMAGE_EXISTS', `there is an image ${image} at node ${this.#parts.node} already`, {
      remedy: 'Choose another name.',
    });
  }
}
