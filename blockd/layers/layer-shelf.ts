// All layers of this node's store, by id: opened, made and dropped, and those that never change brought from others. A
// layer is here once for all images that stand on it.
import { dirname, join } from 'node:path';
import { type Clock, pause } from '../../common/clock.ts';
import type { Disk } from '../../common/disk/disk.ts';
import { isFull } from '../../common/disk/disk-room.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { PropagationMemory } from '../../wire/contracts/propagation.ts';
import { Followers } from '../peer/followers.ts';
import { PeerBlocks } from '../peer/peer-blocks.ts';
import type { PeerSessionParts } from '../peer/peer-session.ts';
import type { Dial } from '../peer/peer-stream.ts';
import { Traffic } from '../peer/traffic.ts';
import { CutOffTails } from '../store/cut-off-tails.ts';
import { createLayer, type NewLayer, type OpenOptions, openLayer } from '../store/image-files.ts';
import type { ImageStore } from '../store/image-store.ts';
import { deleteLayer, listLayers } from '../store/layer-files.ts';
import { TornEnds } from '../store/torn-ends.ts';
import { AskedHealing } from '../upkeep/asked-healing.ts';
import { RecordBook } from './kept-records.ts';
import { LayerBlocks } from './layer-blocks.ts';
import { LayerBringer, layerInUse } from './layer-bringer.ts';
import { type FillJob, fillLayers, type SeedJob, seedLayers } from './layer-seed.ts';
import { gatherMerged } from './own-merged.ts';
import { SilentNodes } from './silent-nodes.ts';

/** Layers that were dropped and are remembered: a call that was under way comes seconds later. */
const GONE_MAX = 1_024;
const LOST_SAID_MS = 60_000;

export interface LayerShelfParts extends Pick<OpenOptions, 'checkpointBytes'> {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** This node's name. */
  readonly node: string;
  readonly directory: string;
  readonly dial: Dial;
  /** The members' names. */
  readonly members: () => readonly string[];
  /** What an image's propagation has learnt while it was written here. */
  readonly memoryOf: (image: string) => PropagationMemory | undefined;
}

/** The layers of one store. */
export class LayerShelf {
  readonly directory: string;
  /** What the catalogue says of layers and images, as this store was told. */
  readonly records: RecordBook;
  /** The stores that follow layers here. */
  readonly followers: Followers;
  readonly #parts: LayerShelfParts;
  readonly #layers = new Map<string, LayerBlocks>();
  readonly #making = new Map<string, Promise<LayerBlocks>>();
  /** Layers whose files are here and could not be opened, with the reason. */
  readonly #unusable = new Map<string, unknown>();
  /** How many exports and seedings read a layer at this moment. */
  readonly #readers = new Map<string, number>();
  readonly #traffic = new Map<string, Traffic>();
  readonly #gone = new Set<string>();
  /** Layers that a merge changes at this moment. */
  readonly #changing = new Map<string, Promise<unknown>>();
  readonly #blocks: PeerBlocks;
  readonly #silent: SilentNodes;
  readonly #healing: AskedHealing;
  readonly #torn: TornEnds;
  readonly #tails: CutOffTails;
  readonly #bringer: LayerBringer;

  constructor(parts: LayerShelfParts) {
    this.#parts = parts;
    this.directory = parts.directory;
    this.records = new RecordBook(parts.disk, join(dirname(parts.directory), 'records.json'), parts.node);
    this.followers = new Followers(parts.clock);
    this.#silent = new SilentNodes(parts.clock);
    this.#blocks = new PeerBlocks({ ...parts, traffic: (layer) => this.trafficOf(layer) });
    this.#healing = new AskedHealing(parts);
    this.#torn = new TornEnds({ ...parts, directory: join(dirname(parts.directory), 'torn') });
    this.#tails = new CutOffTails({ ...parts, directory: join(dirname(parts.directory), 'tails') });
    this.#bringer = new LayerBringer({ ...parts, layers: this });
  }

  /** Opens every layer; one that is bad keeps no other from its guests. */
  async load(): Promise<void> {
    const { disk, log } = this.#parts;
    await disk.makeDirectory(this.directory);
    await this.records.load();
    for (const layer of await listLayers(disk, this.directory)) {
      try {
        await this.#open(layer);
      } catch (error) {
        this.#unusable.set(layer, error);
        log.error({ err: error, layer }, 'a layer cannot be used');
      }
    }
  }

  async #open(layer: string): Promise<LayerBlocks | undefined> {
    const { disk, checkpointBytes } = this.#parts;
    const keepers = { torn: this.#torn, tails: this.#tails };
    const store = await openLayer(disk, this.directory, layer, { checkpointBytes, ...keepers });
    return store === undefined ? undefined : this.add(store);
  }

  /** Of those that cannot be used, the ones for which the disk had no room. */
  get roomless(): string[] {
    return [...this.#unusable].flatMap(([layer, error]) => (isFull(error) ? [layer] : []));
  }

  /** Opens one that could not be used; undefined when it is gone. @throws OperationError, Error of the disk */
  async openAgain(layer: string): Promise<LayerBlocks | undefined> {
    if (!this.#unusable.has(layer)) return undefined;
    try {
      const opened = await this.#open(layer);
      this.#unusable.delete(layer);
      return opened;
    } catch (error) {
      this.#unusable.set(layer, error);
      throw error;
    }
  }

  get all(): readonly LayerBlocks[] {
    return [...this.#layers.values()];
  }

  find(layer: string): LayerBlocks | undefined {
    return this.#layers.get(layer);
  }

  /** Layers whose files are here and cannot be used. */
  get unusable(): string[] {
    return [...this.#unusable.keys()];
  }

  /** @throws OperationError IMAGE_UNUSABLE while nobody knows of which image some layer here is */
  refuseAnyUnusable(): void {
    for (const layer of this.#unusable.keys()) this.refuseUnusable(layer);
  }

  /** @throws OperationError IMAGE_UNUSABLE */
  refuseUnusable(layer: string): void {
    const reason = this.#unusable.get(layer);
    if (reason === undefined) return;
    const { node } = this.#parts;
    throw new OperationError('IMAGE_UNUSABLE', `layer ${layer} cannot be used at node ${node}: ${messageOf(reason)}`, {
      remedy: remedyOf(reason),
      cause: reason,
    });
  }

  /** A layer that nobody has yet. @throws Error of the disk */
  create(fresh: NewLayer): Promise<LayerBlocks> {
    const { layer } = fresh;
    if (this.#layers.has(layer) || this.#making.has(layer)) throw new Error(`layer ${layer} is here already`);
    const making = this.#make(fresh).finally(() => this.#making.delete(layer));
    this.#making.set(layer, making);
    return making;
  }

  /**
   * The one that is here, or that somebody is making at this moment, or else a new one: a copy, a seeding and an opening may
   * want the same one at once, and files that are made twice are emptied under who made them first. @throws Error of the disk
   */
  async findOrCreate(fresh: NewLayer): Promise<LayerBlocks> {
    return this.#layers.get(fresh.layer) ?? this.#making.get(fresh.layer) ?? this.create(fresh);
  }

  async #make(fresh: NewLayer): Promise<LayerBlocks> {
    const { disk, checkpointBytes } = this.#parts;
    return this.add(await createLayer(disk, this.directory, { ...fresh, checkpointBytes, tails: this.#tails }));
  }

  add(store: ImageStore): LayerBlocks {
    const { clock, node, members } = this.#parts;
    const mergedInto = (): ImageStore | undefined => this.mergedInto(store.layer);
    const lost = this.#sayLost(store);
    const around = { node, members, silent: this.#silent, clock, pins: this.records, mergedInto, lost };
    const layer = new LayerBlocks({ store, source: this.#blocks, ...around });
    this.#layers.set(store.layer, layer);
    return layer;
  }

  /** A client asks for the same again and again: once a minute. */
  #sayLost({ layer, image }: ImageStore): (error: unknown) => void {
    const { clock, log } = this.#parts;
    let saidMs = Number.NEGATIVE_INFINITY;
    return (error) => {
      if (clock.nowMs() - saidMs < LOST_SAID_MS) return;
      saidMs = clock.nowMs();
      log.error(
        { image, layer, reason: messageOf(error) },
        'a client reads what is lost: an I/O error until it is written anew',
      );
    };
  }

  /** Forgets a layer and its files, whatever is here of them. @throws OperationError LAYER_IN_USE; Error of the disk */
  async drop(layer: string): Promise<void> {
    this.refuseRead(layer);
    await this.#making.get(layer)?.catch(() => undefined);
    this.#noteGone(layer);
    const known = this.#layers.get(layer);
    this.#layers.delete(layer);
    this.#traffic.delete(layer);
    // What it still holds is of no use to anyone: a disk that fails must not keep it.
    await known?.store.close().catch(() => known.store.failure);
    await deleteLayer(this.#parts.disk, this.directory, layer);
    this.#unusable.delete(layer);
  }

  /** @throws OperationError LAYER_GONE of one that this process has dropped: a word that comes late makes none anew */
  refuseGone(layer: string): void {
    if (!this.#gone.has(layer)) return;
    throw new OperationError('LAYER_GONE', `layer ${layer} has left this node`, {
      remedy: 'Nothing needs it any more.',
    });
  }

  #noteGone(layer: string): void {
    this.#gone.add(layer);
    const [oldest] = this.#gone;
    if (this.#gone.size > GONE_MAX && oldest !== undefined) this.#gone.delete(oldest);
  }

  /**
   * A layer that never changes, here with the table that its proof describes; asked of the node first, then of every
   * member, for as long as the signal allows.
   * @throws OperationError CANCELLED, LAYER_IN_USE, SIZE_DIFFERS, IMAGE_UNUSABLE; Error of the disk
   */
  async bring(sealed: SealedLayer, source: string, signal: AbortSignal): Promise<LayerBlocks> {
    const layer = await this.#bringer.bring(sealed, source, signal);
    await gatherMerged(this, layer, () => pause(this.#parts.clock));
    return layer;
  }

  /** Brings layers that never change, and all their blocks. @throws OperationError CANCELLED, BLOCKS_LOST and others */
  seed(job: SeedJob): Promise<void> {
    const layers = job.layers.map(({ layer }) => layer);
    return this.reading(layers, () => seedLayers(job, this, this.#parts.clock));
  }

  /** Brings what is known to be missing of a layer that may change. @throws OperationError CANCELLED, BLOCKS_LOST */
  fillLayer(layer: LayerBlocks, job: FillJob): Promise<void> {
    return fillLayers(job, [layer], this.#parts.clock);
  }

  /** Changes a layer by a merge, one at a time. */
  async changing<T>(layer: string, work: () => Promise<T>): Promise<T> {
    await this.unchanging(layer);
    const change = work();
    this.#changing.set(layer, change);
    try {
      return await change;
    } finally {
      this.#changing.delete(layer);
    }
  }

  /** Settles when no merge changes the layer. */
  async unchanging(layer: string): Promise<void> {
    for (let change = this.#changing.get(layer); change !== undefined; change = this.#changing.get(layer)) {
      await change.catch(() => undefined);
    }
  }

  /** Keeps layers while they are read. */
  async reading<T>(layers: readonly string[], work: () => Promise<T>): Promise<T> {
    for (const layer of layers) this.#readers.set(layer, (this.#readers.get(layer) ?? 0) + 1);
    try {
      return await work();
    } finally {
      for (const layer of layers) this.#readers.set(layer, (this.#readers.get(layer) ?? 0) - 1);
    }
  }

  /**
   * What another store that asks for a layer is served of; no store: it is not here. Undefined when it is here and cannot
   * be used: then nothing may be denied, for its blocks may be the only ones (promise S5).
   */
  served(layer: string): Omit<PeerSessionParts, 'peer' | 'clock' | 'stream'> | undefined {
    if (this.#unusable.has(layer)) return undefined;
    const store = this.#holding(layer);
    const traffic = store === undefined ? new Traffic() : this.trafficOf(store.layer);
    const isMerged = store !== undefined && store.layer !== layer;
    const isStale = (): boolean => this.#holding(layer) !== store;
    const memory = (): PropagationMemory | undefined => store && this.#parts.memoryOf(store.image);
    const heal = (first: number, end: number): void => {
      const rotten = this.find(store?.layer ?? layer);
      if (rotten !== undefined) this.#healing.look(rotten, first, end);
    };
    const near = (first: number, end: number): Promise<unknown> | undefined =>
      this.mergedInto(layer) === undefined ? undefined : this.find(layer)?.takeNear(first, end);
    const newestEpoch = (): number => this.records.epochOf(store?.image ?? '');
    return { store, isMerged, isStale, traffic, followers: this.followers, memory, newestEpoch, heal, near };
  }

  /** The store that has the layer's blocks: its own, or that of the one that it was merged into. */
  #holding(layer: string): ImageStore | undefined {
    return this.find(layer)?.store ?? this.mergedInto(layer);
  }

  /** The layer here that this one, which may be here by itself too, is a part of. */
  mergedInto(layer: string): ImageStore | undefined {
    const isPart = ({ store }: LayerBlocks): boolean => store.state.merged?.some((one) => one.layer === layer) === true;
    return this.all.find(isPart)?.store;
  }

  trafficOf(layer: string): Traffic {
    const known = this.#traffic.get(layer) ?? new Traffic();
    this.#traffic.set(layer, known);
    return known;
  }

  async close(): Promise<void> {
    this.#silent.close();
    this.#blocks.close();
    // One that cannot be closed in order must not keep the others from it.
    const closed = await Promise.allSettled(this.all.map(({ store }) => store.close()));
    const failed = closed.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Whether an export or a seeding reads it, or it is being brought. */
  isRead(layer: string): boolean {
    return (this.#readers.get(layer) ?? 0) > 0 || this.isBringing(layer);
  }

  /** What waits for this layer, or a later state of it, waits for a merge here from now on. */
  yieldTo(merged: SealedLayer): Promise<void> {
    return this.#bringer.yieldTo(merged);
  }

  /** The layer was merged into that one here: what waits for it by itself hears so. */
  endBringing(layer: string, into: string): Promise<void> {
    return this.#bringer.endBringing(layer, into);
  }

  isBringing(layer: string): boolean {
    return this.#bringer.isBringing(layer);
  }

  /** Whether something reads the layer and not the one above it. */
  isReadWithout(layer: string, above: string): boolean {
    return (this.#readers.get(layer) ?? 0) > (this.#readers.get(above) ?? 0);
  }

  /** @throws OperationError LAYER_IN_USE while `isRead` */
  refuseRead(layer: string): void {
    if (this.isRead(layer)) throw layerInUse(layer, 'is being read here');
  }
}

function remedyOf(reason: unknown): string {
  if (isFull(reason))
    return 'Make room on the disk of that node: it is opened by itself then, or at the next start of a blockd that is alone.';
  const own = reason instanceof OperationError ? reason.remedy : '';
  return own === '' ? 'Look at the disk of that node, then restart blockd there.' : `${own} Then restart blockd there.`;
}
