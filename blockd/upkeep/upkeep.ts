// What a store does with its layers while nobody asks: the scrub, the room that is given back, the cap on what is only
// cached. Wires them and decides which layers may be let go of.
import { join } from 'node:path';
import type { Clock } from '../../common/clock.ts';
import type { Disk } from '../../common/disk/disk.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { ScrubReport } from '../../wire/contracts/blockd.ts';
import type { CacheState } from '../../wire/contracts/cache.ts';
import type { CopyShelf } from '../copies/copy-shelf.ts';
import type { Image } from '../image/image.ts';
import type { ImageHost } from '../image/image-host.ts';
import { isOpen } from '../image/image-roles.ts';
import type { LayerBlocks } from '../layers/layer-blocks.ts';
import type { LayerShelf } from '../layers/layer-shelf.ts';
import { keepQuestion } from '../peer/keep-question.ts';
import type { Dial } from '../peer/peer-stream.ts';
import { waitsAt } from '../propagation/flush-rule.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { PropagationBook } from '../transfer/propagation-book.ts';
import { CacheCap, type CacheLimits } from './cache-cap.ts';
import { CacheSetting } from './cache-setting.ts';
import { bytesAtMost } from './cached-regions.ts';
import { Healings } from './healings.ts';
import { type ImageScrubJob, scrubImage } from './image-scrub.ts';
import { keepersOf } from './keepers.ts';
import type { ScrubbedLayer } from './layer-scrub.ts';
import { Reclaim } from './reclaim.ts';
import { Scrub } from './scrub.ts';
import { ScrubLedger } from './scrub-ledger.ts';

export interface UpkeepParts {
  readonly disk: Disk;
  /** The directory of the daemon's durable state. */
  readonly state: string;
  readonly layers: LayerShelf;
  readonly kept: Pick<CopyShelf, 'isCopy'>;
  readonly book: Pick<PropagationBook, 'of'>;
  readonly hosts: () => readonly ImageHost[];
  /** The members' names. */
  readonly members: () => readonly string[];
  /** This node's name. */
  readonly node: string;
  /** Without it nothing is let go of. */
  readonly cache?: CacheLimits;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly log: Log;
}

/** The upkeep of one store. */
export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #scrubs: ScrubLedger;
  readonly #healings: Healings;
  readonly #scrub: Scrub;
  readonly #reclaim: Reclaim;
  readonly #setting: CacheSetting;
  readonly #cached: () => readonly LayerBlocks[];
  readonly #cap: CacheCap | undefined;

  constructor(parts: UpkeepParts) {
    const { layers, kept, book, hosts, members, node, cache, dial, clock, log, disk, state } = parts;
    this.#parts = parts;
    this.#scrubs = new ScrubLedger(disk, join(state, 'scrubs.json'));
    const isHere = ({ store }: ScrubbedLayer): boolean => layers.find(store.layer)?.store === store;
    this.#healings = new Healings({ isHere, members, clock, log });
    const done = (layer: string): Promise<void> => this.#scrubbed(layer);
    this.#scrub = new Scrub({ layers: () => layers.all, healings: this.#healings, clock, log, done });
    const cached = (): LayerBlocks[] => cachedLayers(layers, hosts()).filter(({ store }) => !kept.isCopy(store.layer));
    this.#cached = cached;
    this.#reclaim = new Reclaim({ layers: cached, clock, log });
    const setting = new CacheSetting(disk, join(state, 'cache.json'), cache?.capBytes);
    this.#setting = setting;
    if (cache === undefined) return;
    const ask = keepQuestion({ dial, clock });
    const others = (): string[] => members().filter((name) => name !== node);
    const isCopied = (store: ImageStore): boolean => waitsAt(book.of(store.image).policy) !== 'nothing';
    const copiesOf = (store: ImageStore): number => layers.records.copiesOfStore(store, isCopied(store));
    const all = (): ImageStore[] => layers.all.map(({ store }) => store);
    const keepers = (store: ImageStore): number => keepersOf(store, all(), copiesOf);
    const epochOf = ({ image, state }: ImageStore): number =>
      Math.max(layers.records.epochOf(image), ...state.ends.map(({ epoch }) => epoch + 1));
    const limits: CacheLimits = {
      ...cache,
      get capBytes() {
        return setting.capBytes ?? undefined;
      },
    };
    const around = { node, members: others, ask, clock, log };
    this.#cap = new CacheCap({ limits, layers: cached, keepers, epochOf, ...around });
  }

  async start(): Promise<void> {
    await this.#scrubs.load();
    await this.#setting.load();
    this.#scrub.start();
    this.#reclaim.start();
    this.#cap?.start();
  }

  stop(): void {
    this.#scrub.stop();
    this.#healings.stop();
    this.#reclaim.stop();
    this.#cap?.stop();
  }

  /** What is only cached, and under which cap. @throws OperationError NO_CACHE where nothing is let go of */
  async cache(): Promise<CacheState> {
    const { cache } = this.#parts;
    if (cache === undefined) throw new OperationError('NO_CACHE', 'this store lets go of nothing');
    const { freeBytes, totalBytes } = await cache.room();
    return { capBytes: this.#setting.capBytes, cachedBytes: bytesAtMost(this.#cached()), freeBytes, totalBytes };
  }

  /** From now on, also over a restart; what is beyond it goes at once. @throws Error of the disk, and nothing is changed */
  async setCacheCap(capBytes: number | null): Promise<CacheState> {
    await this.#setting.set(capBytes);
    this.#cap?.lookNow();
    return this.cache();
  }

  /** When the image's layers here were all read last, by the one that was not for longest; null when one never was. */
  scrubbedAtMs({ stack }: Image): number | null {
    return this.#scrubs.oldestOf(stack.layers.map(({ store }) => store.layer));
  }

  /** Reads an image now, at once. @throws OperationError CANCELLED, STORE_FAILED */
  scrub(image: Image, watch: Pick<ImageScrubJob, 'progress' | 'signal'>): Promise<ScrubReport> {
    const { clock, log, layers } = this.#parts;
    const scrubbed = image.stack.layers;
    const done = (layer: string): Promise<void> => this.#scrubbed(layer);
    const job = { ...watch, image: image.store.image, layers: scrubbed, healings: this.#healings, done };
    return layers.reading(
      scrubbed.map(({ store }) => store.layer),
      () => scrubImage(job, clock, log),
    );
  }

  /** The date is for people: a disk that does not take it must not end a scrub. Never rejects. */
  async #scrubbed(layer: string): Promise<void> {
    const { clock, log, layers } = this.#parts;
    const present = layers.all.map(({ store }) => store.layer);
    await this.#scrubs
      .note(layer, clock.wallMs(), present)
      .catch((error: unknown) => log.warn({ layer, reason: messageOf(error) }, 'the date of a scrub was not kept'));
  }
}

/** Those that no image that is open here and no recovery point consists of, that are not pinned, that nobody reads and whose store is well. */
function cachedLayers(layers: LayerShelf, hosts: readonly ImageHost[]): LayerBlocks[] {
  const open = hosts.map(({ image }) => image.store).filter(({ state }) => isOpen(state.role));
  const used = new Set(open.flatMap(({ layer, state }) => [layer, ...state.below.map((sealed) => sealed.layer)]));
  return layers.all.filter(
    ({ store: { layer, state, failure } }) =>
      !isOpen(state.role) &&
      !used.has(layer) &&
      !layers.records.isPinned(layer) &&
      !layers.records.isPoint(layer) &&
      !layers.isRead(layer) &&
      failure === undefined,
  );
}
