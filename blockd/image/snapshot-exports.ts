// Snapshots whose layers are at this node, each disk of one a read-only export IMAGE@SNAPSHOT: they come with the
// catalogue's records and with their layers, and end with either. What of their blocks is elsewhere is fetched on demand.
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import { readOnlyDeviceOf } from './image-device.ts';
import { ImageReads } from './image-reads.ts';
import type { LayerBlocks } from './layer-blocks.ts';
import type { LayerShelf } from './layer-shelf.ts';
import type { ImageExport, Serve } from './served-image.ts';

/** How soon layers are looked for again of which some are not here; one that was cut or seeded meanwhile is shown then. */
const LOOK_MS = 5_000;

export interface SnapshotExportsParts {
  readonly layers: Pick<LayerShelf, 'find' | 'records'>;
  readonly serve: Serve;
  readonly clock: Clock;
  readonly log: Log;
}

/** One disk of a snapshot. */
interface SnapshotDisk {
  readonly image: string;
  readonly bytes: number;
  readonly layers: readonly SealedLayer[];
}

interface Running {
  readonly disk: SnapshotDisk;
  readonly stack: readonly LayerBlocks[];
  readonly served: ImageExport;
}

/** The snapshots of one store. */
export class SnapshotExports {
  readonly #parts: SnapshotExportsParts;
  readonly #running = new Map<string, Running>();
  /** Layers that are being dropped. */
  readonly #leaving = new Set<string>();
  /** Told of once. */
  readonly #refused = new Set<string>();
  #turn: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #unwatch: () => void = () => undefined;
  #isStopped = false;

  constructor(parts: SnapshotExportsParts) {
    this.#parts = parts;
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
        this.#parts.log.warn({ reason: messageOf(error) }, 'snapshots are not shown as they are'),
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
  #mayStay({ disk, stack }: Running, now: SnapshotDisk | undefined): boolean {
    const isHere = (one: LayerBlocks): boolean => this.#found(one.store.layer) === one;
    if (now === undefined || !stack.every(isHere)) return false;
    return isSame(now, disk) || (isMergeOf(now, disk) && this.#layersOf(now) === undefined);
  }

  /** By the exports' names. */
  #named(): Map<string, SnapshotDisk> {
    const snapshots = this.#isStopped ? [] : (this.#parts.layers.records.kept?.snapshots ?? []);
    return new Map(
      snapshots.flatMap(({ snapshot, disks }) => disks.map((disk) => [`${disk.image}@${snapshot}`, disk])),
    );
  }

  async #begin(name: string, disk: SnapshotDisk): Promise<void> {
    const { serve, clock, log } = this.#parts;
    const stack = this.#layersOf(disk) ?? [];
    const [top, ...below] = stack;
    if (top === undefined) return;
    const reads = new ImageReads({ top, below, clock });
    reads.gate.set('open');
    try {
      this.#running.set(name, { disk, stack, served: await serve(readOnlyDeviceOf(reads), name, disk.bytes, true) });
    } catch (error) {
      if (!this.#refused.has(name)) log.warn({ snapshot: name, reason: messageOf(error) }, 'a snapshot is not served');
      this.#refused.add(name);
    }
  }

  /** The newest first; undefined unless all are here as they were sealed. */
  #layersOf(disk: SnapshotDisk): LayerBlocks[] | undefined {
    const found = disk.layers.flatMap(({ layer, digest }) => {
      const one = this.#found(layer);
      const isProven = one?.store.state.role === 'sealed' && one.store.table.mark.digest === digest;
      return one !== undefined && isProven ? [one] : [];
    });
    return found.length === disk.layers.length ? found : undefined;
  }

  #found(layer: string): LayerBlocks | undefined {
    return this.#leaving.has(layer) ? undefined : this.#parts.layers.find(layer);
  }
}

function isSame(one: SnapshotDisk, other: SnapshotDisk): boolean {
  const proofsOf = ({ layers }: SnapshotDisk): string => layers.map(({ layer, digest }) => `${layer} ${digest}`).join();
  return one.bytes === other.bytes && proofsOf(one) === proofsOf(other);
}

/** A merge leaves the upper layer's id out; a snapshot that was made anew under the name has one that was not there. */
function isMergeOf(now: SnapshotDisk, before: SnapshotDisk): boolean {
  const ids = before.layers.map(({ layer }) => layer);
  return now.bytes === before.bytes && now.layers.every(({ layer }) => ids.includes(layer));
}
