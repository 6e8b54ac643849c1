// An image of several layers on a disk in memory, open for writing, whose blocks may be made to be elsewhere; and what it
// must read as. Not a test itself.
import * as assert from 'uvu/assert';
import { Image } from '../../../blockd/image/image.ts';
import { ImageCuts, sealedOf } from '../../../blockd/image/image-cuts.ts';
import type { BlockSource, FetchSink, WantedRun } from '../../../blockd/layers/block-fetcher.ts';
import { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { createLayer, type NewLayer } from '../../../blockd/store/image-files.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { DATA, HERE } from '../../../blockd/table/version-run.ts';
import { createLog } from '../../../common/log.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { ManualClock } from './manual-clock.ts';

/** The image's blocks; its lowest layer has half of them, as of an image that has grown. */
export const LAYERED_BLOCKS = 16;
const BYTES = LAYERED_BLOCKS * BLOCK_BYTES;

export function layerName(number: number): string {
  return `l${number.toString(16).padStart(16, '0')}`;
}

/** Gives what was taken away from here. */
class Elsewhere implements BlockSource {
  readonly #blocks = new Map<string, Buffer>();
  askedBlocks = 0;

  keep(layer: string, block: number, data: Buffer): void {
    this.#blocks.set(`${layer} ${block}`, data);
  }

  request(_node: string, layer: string, runs: readonly WantedRun[], _cause: string, sink: FetchSink): () => void {
    void Promise.resolve().then(() => {
      for (const run of runs) {
        this.askedBlocks += run.count;
        for (let block = run.first; block < run.first + run.count; block++) {
          const data = this.#blocks.get(`${layer} ${block}`);
          if (data === undefined) sink.absent({ ...run, first: block, count: 1 }, '');
          else sink.arrived({ ...run, first: block, count: 1 }, data);
        }
      }
    });
    return () => undefined;
  }
}

/** The image and its model. */
export class LayeredImage {
  readonly image: Image;
  readonly elsewhere = new Elsewhere();
  readonly model = Buffer.alloc(BYTES);
  readonly #disk = new CrashDisk();
  readonly #clock = new ManualClock();
  readonly #layers: LayerBlocks[] = [];
  readonly #cuts: ImageCuts;
  #cutCount = 0;

  private constructor(base: ImageStore, top: ImageStore, disk: CrashDisk) {
    this.#disk = disk;
    const below = this.#add(base);
    this.image = new Image({ top: this.#add(top), below: [below], clock: this.#clock });
    const layers = {
      all: this.#layers,
      create: async (fresh: NewLayer) => this.#add(await createLayer(this.#disk, '/layers', fresh)),
      drop: async () => undefined,
    };
    this.#cuts = new ImageCuts({ layers, roomWait: { add: () => undefined }, log: createLog('test', 'silent') });
  }

  static async make(): Promise<LayeredImage> {
    const disk = new CrashDisk();
    const base = await createLayer(disk, '/layers', {
      image: 'web',
      layer: layerName(0),
      bytes: BYTES / 2,
      isOrigin: true,
    });
    await base.commit({ state: { role: 'sealed' } });
    const state = { generation: 2, below: [sealedOf(base)] };
    const top = await createLayer(disk, '/layers', {
      image: 'web',
      layer: layerName(1),
      bytes: BYTES,
      isOrigin: true,
      state,
    });
    const made = new LayeredImage(base, top, disk);
    await made.image.open(1, made.image.closing(), null);
    return made;
  }

  #add(store: ImageStore): LayerBlocks {
    const source = this.elsewhere;
    const layer = new LayerBlocks({ store, source, clock: this.#clock, node: 'a', members: () => ['a', 'b'] });
    this.#layers.push(layer);
    return layer;
  }

  async write(offset: number, data: Buffer): Promise<void> {
    data.copy(this.model, offset);
    await this.image.write(offset, data, false);
  }

  async zero(offset: number, length: number): Promise<void> {
    this.model.fill(0, offset, offset + length);
    await this.image.zero(offset, length, false);
  }

  /** Whole blocks become zeros, the rest stays. */
  async trim(offset: number, length: number): Promise<void> {
    const first = Math.ceil(offset / BLOCK_BYTES) * BLOCK_BYTES;
    const end = Math.floor((offset + length) / BLOCK_BYTES) * BLOCK_BYTES;
    if (first < end) this.model.fill(0, first, end);
    await this.image.trim(offset, length, false);
  }

  async cut(): Promise<void> {
    const id = (++this.#cutCount).toString(16).padStart(16, '0');
    await this.#cuts.cut({ id, images: [{ image: 'web', layer: layerName(this.#cutCount + 1) }] }, [this.image]);
  }

  /** A block of some layer is at another node from now on, if it is here and everything of it is durable. */
  async takeAway(layer: number, block: number): Promise<void> {
    const store = this.image.stack.layers[layer % this.image.stack.layers.length]?.store;
    if (store === undefined || block >= store.blocks || store.table.contentOf(block) !== (DATA | HERE)) return;
    await store.flush();
    const data = Buffer.alloc(BLOCK_BYTES);
    store.file.read(data, block * BLOCK_BYTES);
    this.elsewhere.keep(store.layer, block, data);
    store.table.spoilt(block);
  }

  async check(offset: number, length: number): Promise<void> {
    const read = Buffer.from(await this.image.readLater(offset, length));
    assert.ok(
      read.equals(this.model.subarray(offset, offset + length)),
      `bytes ${offset} to ${offset + length} differ`,
    );
  }

  /** What the image says it lacks is what is seen and not here, each block counted once. */
  checkCensus(): void {
    const { stack } = this.image;
    let missing = 0;
    for (let block = 0; block < LAYERED_BLOCKS; block++) if (stack.contentOf(block) === DATA) missing++;
    const said = [...stack.census().elsewhere.values()].reduce((sum, count) => sum + count, 0);
    assert.is(said, missing);
    assert.is(stack.someMissing(0, LAYERED_BLOCKS), missing > 0);
  }
}
