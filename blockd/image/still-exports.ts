// What nobody changes and this node shows, read-only: snapshots whose layers are here, each disk of one as IMAGE@SNAPSHOT,
// and closed images that the catalogue has opened for reading here, as IMAGE. They come with the catalogue's records and
// with their layers, and end with either. What of their blocks is elsewhere is fetched on demand.
import { type Clock, pause, type Timer } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { ImageRole } from '../../wire/contracts/blockd.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import { readOnlyDeviceOf } from './image-device.ts';
import type { ImageExport, Serve } from './served-image.ts';
import { StillReads } from './still-reads.ts';
import { UnitedLayers } from './united-layers.ts';

/** How soon layers are looked for again of which some are not here; one that was cut or seeded meanwhile is shown then. */
const LOOK_MS = 5_000;

/** Roles of layers that nobody writes: those of a snapshot, and of an image that is closed besides. */
const OF_SNAPSHOT: readonly ImageRole[] = ['sealed'];
const OF_IMAGE: readonly ImageRole[] = ['sealed', 'replica', 'loose'];

export interface StillExportsParts {
  /** This node's name. */
  readonly node: string;
  readonly layers: Pick<LayerShelf, 'find' | 'records'>;
  /** Whether somebody writes the image here, or is about to: records that name readers of it are old. */
  readonly isOpen: (image: string) => boolean;
  readonly serve: Serve;
  readonly clock: Clock;
  readonly log: Log;
}

/** An image that is open for reading here, and how many clients it has. */
export interface ReaderShown {
  readonly image: string;
  readonly clients: number;
}

/** One disk that stays as it is. */
interface StillDisk {
  readonly bytes: number;
  readonly layers: readonly SealedLayer[];
  readonly roles: readonly ImageRole[];
}

interface Running {
  readonly disk: StillDisk;
  readonly stack: readonly LayerBlocks[];
  readonly reads: StillReads;
  readonly served: ImageExport;
}

/** What one store shows. */
export class StillExports {
  readonly #parts: StillExportsParts;
  readonly #running = new Map<string, Running>();
  /** By image: from which epoch on it was opened for writing here. */
  readonly #written = new Map<string, number>();
  /** Layers that are being dropped. */
  readonly #leaving = new Set<string>();
  /** Told of once. */
  readonly #refused = new Set<string>();
  readonly #united: UnitedLayers;
  #turn: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #unwatch: () => void = () => undefined;
  #isStopped = false;

  constructor(parts: StillExportsParts) {
    this.#parts = parts;
    this.#united = new UnitedLayers(
      () => pause(parts.clock),
      () => void this.#review(),
    );
  }

  /** Serves what is here, and from now on what comes. */
  start(): Promise<void> {
    this.#unwatch = this.#parts.layers.records.watch(() => void this.#review());
    return this.#review();
  }

  /** Settles once what is shown is what was named and here. */
  get reviewed(): Promise<void> {
    return this.#turn;
  }

  /** Does something after which the layer may be gone: what is shown of it ends first. */
  async without<T>(layer: string, work: () => Promise<T>): Promise<T> {
    this.#leaving.add(layer);
    try {
      await this.#review();
      return await work();
    } finally {
      this.#leaving.delete(layer);
      void this.#review();
    }
  }

  /** The socket of an image that is open for reading here. @throws OperationError READER_UNKNOWN */
  async reading(image: string): Promise<string> {
    await this.#review();
    const running = this.#running.get(image);
    if (running !== undefined) return running.served.path;
    throw new OperationError('READER_UNKNOWN', `image ${image} is not open for reading at node ${this.#parts.node}`, {
      remedy: "Open it there again: the catalogue's records had not come.",
    });
  }

  /** Readings of the image from before that epoch end, also those that older records name later. */
  endReading(image: string, epoch: number): Promise<void> {
    this.#written.set(image, Math.max(epoch, this.#written.get(image) ?? 0));
    return this.#review();
  }

  get readers(): ReaderShown[] {
    return this.#readings().flatMap(([image]) => {
      const served = this.#running.get(image)?.served;
      return served === undefined ? [] : [{ image, clients: served.connections }];
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unwatch();
    this.#timer?.cancel();
    await this.#review();
  }

  /** One after the other; never rejects. */
  #review(): Promise<void> {
    this.#turn = this.#turn
      .then(() => this.#reviewNow())
      .catch((error: unknown) =>
        this.#parts.log.warn({ reason: messageOf(error) }, 'what is only to be read is not shown as it is'),
      );
    return this.#turn;
  }

  async #reviewNow(): Promise<void> {
    const named = this.#named();
    for (const [name, running] of this.#running) {
      if (this.#mayStay(running, named.get(name))) continue;
      this.#running.delete(name);
      await running.served.close();
    }
    for (const [name, disk] of named) if (!this.#running.has(name)) await this.#begin(name, disk);
    for (const name of this.#refused) if (!named.has(name)) this.#refused.delete(name);
    this.#timer?.cancel();
    if (this.#running.size < named.size && !this.#isStopped) {
      this.#timer = this.#parts.clock.setTimer(LOOK_MS, () => void this.#review());
    }
  }

  /**
   * Of layers that are being merged the two say what the one will say, and are read until that is here: a snapshot does not
   * go meanwhile.
   */
  #mayStay({ disk, stack, reads }: Running, now: StillDisk | undefined): boolean {
    const isHere = (one: LayerBlocks): boolean => this.#found(one.store.layer) === one;
    if (now === undefined || !reads.isStill || !stack.every(isHere)) return false;
    if (isSame(now, disk)) return true;
    const next = isMergeOf(now, disk) ? (this.#layersOf(now) ?? stack) : [];
    return next.length === stack.length && next.every((one, index) => one === stack[index]);
  }

  /** By the exports' names. */
  #named(): Map<string, StillDisk> {
    const snapshots = this.#isStopped ? [] : (this.#parts.layers.records.kept?.snapshots ?? []);
    const disks = snapshots.flatMap(({ snapshot, disks }) =>
      disks.map(({ image, ...disk }): [string, StillDisk] => [`${image}@${snapshot}`, { ...disk, roles: OF_SNAPSHOT }]),
    );
    return new Map([...disks, ...this.#readings()]);
  }

  #readings(): [string, StillDisk][] {
    const readers = this.#isStopped ? [] : (this.#parts.layers.records.kept?.readers ?? []);
    const { node, isOpen } = this.#parts;
    const isOver = (image: string, epoch: number): boolean => epoch < (this.#written.get(image) ?? 0) || isOpen(image);
    return readers
      .filter((reader) => reader.node === node && !isOver(reader.image, reader.epoch))
      .map(({ image, bytes, layers }) => [image, { bytes, layers, roles: OF_IMAGE }]);
  }

  async #begin(name: string, disk: StillDisk): Promise<void> {
    const { serve, clock, log } = this.#parts;
    const stack = this.#layersOf(disk) ?? [];
    const [top, ...below] = stack;
    if (top === undefined) return;
    const reads = new StillReads({ top, below, clock });
    try {
      const served = await serve(readOnlyDeviceOf(reads), name, disk.bytes, true);
      this.#running.set(name, { disk, stack, reads, served });
    } catch (error) {
      if (!this.#refused.has(name))
        log.warn({ name, reason: messageOf(error) }, 'what is only to be read is not served');
      this.#refused.add(name);
    }
  }

  /** What is served now, by what name. */
  get running(): { readonly name: string; readonly reads: StillReads }[] {
    return Array.from(this.#running, ([name, { reads }]) => ({ name, reads }));
  }

  /** The newest first; undefined unless all are here as they were named, or in parts that are yet to be merged here. */
  #layersOf({ layers, roles }: StillDisk): LayerBlocks[] | undefined {
    const stack: LayerBlocks[] = [];
    for (const named of layers) {
      const one = this.#found(named.layer);
      if (one === undefined || !roles.includes(one.store.state.role)) return undefined;
      const parts = one.store.table.mark.digest === named.digest ? [] : this.#partsOver(one, named);
      if (parts === undefined) return undefined;
      stack.push(...parts, one);
    }
    return stack;
  }

  /** What a merge makes one with the layer: here they still lie over it, and say together what it will say. */
  #partsOver(one: LayerBlocks, { lastSequence, digest, merged = [] }: SealedLayer): LayerBlocks[] | undefined {
    const { state, table } = one.store;
    const isWhole = state.role === 'sealed' && (state.merging ?? null) === null && table.lastSequence < lastSequence;
    const before = (state.merged ?? []).map(({ layer }) => layer);
    const parts = merged.filter(({ layer }) => !before.includes(layer));
    const found = parts
      .toSorted((part, other) => other.lastSequence - part.lastSequence)
      .flatMap((part) => {
        const over = this.#found(part.layer);
        const isPart = over?.store.state.role === 'sealed' && over.store.table.lastSequence === part.lastSequence;
        return isPart ? [over] : [];
      });
    if (!isWhole || found.length === 0 || found.length !== parts.length) return undefined;
    return this.#united.say(one, found, digest) ? found : undefined;
  }

  #found(layer: string): LayerBlocks | undefined {
    return this.#leaving.has(layer) ? undefined : this.#parts.layers.find(layer);
  }
}

function isSame(one: StillDisk, other: StillDisk): boolean {
  const proofsOf = ({ layers }: StillDisk): string => layers.map(({ layer, digest }) => `${layer} ${digest}`).join();
  return one.bytes === other.bytes && proofsOf(one) === proofsOf(other);
}

/** A merge leaves the upper layer's id out; a snapshot that was made anew under the name has one that was not there. */
function isMergeOf(now: StillDisk, before: StillDisk): boolean {
  const ids = before.layers.map(({ layer }) => layer);
  return now.bytes === before.bytes && now.layers.every(({ layer }) => ids.includes(layer));
}
