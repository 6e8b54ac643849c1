// Images as the operator sees them: the catalogue's head and the stores' share. Blocks never pass through here.
import { OperationError } from '../../common/errors.ts';
import { newLayerId } from '../../common/layer-id.ts';
import type { Closing, ExportedFile, ImageFormat, ScrubReport } from '../../wire/contracts/blockd.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { ImageState } from '../../wire/contracts/cluster-state.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import { type Admission, imageOpen } from '../admission.ts';
import type { Cluster, NodeDaemons } from '../cluster.ts';
import type { State } from '../state.ts';
import type { BackgroundPulls } from './background-pulls.ts';
import { viewImage } from './image-view.ts';
import { exportLayers, type ImageTarget, type Watch } from './layer-export.ts';
import type { LayerSweep } from './layer-sweep.ts';

/** What a new image is made of: a disk file at the node, or nothing but a size. */
export interface ImageSource {
  readonly path?: string | undefined;
  /** Of the file; recognised when it is not said. */
  readonly format?: ImageFormat | undefined;
  readonly bytes?: number | undefined;
}

export class Images {
  readonly #state: State;
  readonly #cluster: Cluster;
  readonly #admission: Admission;
  readonly #pulls: BackgroundPulls;
  readonly #sweep: LayerSweep;

  constructor(options: {
    state: State;
    cluster: Cluster;
    admission: Admission;
    pulls: BackgroundPulls;
    sweep: LayerSweep;
  }) {
    this.#state = options.state;
    this.#cluster = options.cluster;
    this.#admission = options.admission;
    this.#pulls = options.pulls;
    this.#sweep = options.sweep;
  }

  async heads(): Promise<Head[]> {
    return (await this.#cluster.controller.catalogue.call('image.list', {})).heads;
  }

  head(image: string): Promise<Head> {
    return this.#cluster.controller.catalogue.call('image.head', { image });
  }

  /**
   * Makes an image at a node and names it in the catalogue; on failure nothing is left at the node.
   * @throws OperationError IMAGE_EXISTS, IMAGE_BUSY, IMAGE_SOURCE and those of the node
   */
  create(image: string, node: string, source: ImageSource, watch: Watch): Promise<Head> {
    return this.#admission.withImage(image, 'made', () => this.#make(image, node, source, watch));
  }

  async #make(image: string, node: string, source: ImageSource, watch: Watch): Promise<Head> {
    if ((await this.heads()).some((head) => head.image === image)) {
      throw new OperationError('IMAGE_EXISTS', `there is an image ${image} already`, { remedy: 'choose another name' });
    }
    const member = this.#cluster.upNodeOf(node);
    const { blockd } = this.#cluster.clients(member.node);
    await this.#dropNameless(image);
    const layer = newLayerId();
    try {
      const closing = await this.#fill(blockd, { image, layer }, source, watch);
      const { bytes } = await blockd.call('image.show', { image });
      const made = { image, layer, bytes, holder: member.node, closing };
      return await this.#cluster.controller.catalogue.call('image.add', made);
    } catch (error) {
      // Unless the catalogue has it after all, and only the answer was lost.
      await this.#sweep.leave([layer], [member.node]);
      throw error;
    }
  }

  /**
   * What an image of the name that was half made has left. Layers that something names stay, and the catalogue says which.
   * @throws OperationError CATALOGUE_BEHIND, STORE_UNHEARD
   */
  async #dropNameless(image: string): Promise<void> {
    const nodes = this.#cluster.endpoints().filter(({ node }) => this.#cluster.isUp(node));
    const found = await Promise.all(
      nodes.map(async ({ node }) => {
        const { images } = await this.#cluster.clients(node).blockd.call('image.list', {});
        return images.filter((one) => one.image === image).map(({ layer }) => layer);
      }),
    );
    const names = nodes.map(({ node }) => node);
    const order = { layers: [...new Set(found.flat())], nodes: names };
    const { leaving } = await this.#cluster.controller.catalogue.call('layer.leave', order);
    await this.#sweep.sweepOf(leaving);
  }

  async #fill(
    blockd: NodeDaemons['blockd'],
    { image, layer }: { image: string; layer: string },
    { path, format, bytes }: ImageSource,
    watch: Watch,
  ): Promise<Closing> {
    if (path !== undefined) {
      return blockd.call('image.import', { image, layer, path, ...(format === undefined ? {} : { format }) }, watch);
    }
    if (bytes === undefined) {
      throw new OperationError('IMAGE_SOURCE', `image ${image} needs a file or a size`, {
        remedy: 'give --file or --size',
      });
    }
    await blockd.call('image.create', { image, layer, bytes });
    const made = await blockd.call('image.show', { image });
    return {
      image,
      epoch: made.epoch,
      lastSequence: made.lastSequence,
      entries: made.writtenBlocks,
      digest: made.digest,
      generation: 1,
    };
  }

  /**
   * Writes a closed image to a new file of a node; it cannot be opened meanwhile.
   * @throws OperationError IMAGE_OPEN, IMAGE_BUSY and those of the node
   */
  export(image: string, target: ImageTarget, watch: Watch): Promise<{ node: string; file: ExportedFile }> {
    return this.#admission.withImage(image, 'exported', async () => {
      const head = await this.head(image);
      if (head.writer !== null) throw imageOpen(image, `at ${head.writer}`);
      return exportLayers(
        { cluster: this.#cluster, sweep: this.#sweep },
        { ...head, layers: layersOf(head) },
        target,
        watch,
      );
    });
  }

  /** Has a node read all that it holds of an image. @throws OperationError CLOUD_UNKNOWN, NODE_DOWN and those of the node */
  async scrub(image: string, at: string | undefined, watch: Watch): Promise<{ node: string; report: ScrubReport }> {
    const { writer, holder } = await this.head(image);
    const { node } = this.#cluster.upNodeOf(at ?? writer ?? holder);
    return { node, report: await this.#cluster.clients(node).blockd.call('image.scrub', { image }, watch) };
  }

  /** Head, layers and every reachable store's view. */
  async show(image: string, heatCells?: number): Promise<ImageState> {
    return viewImage(this.#cluster, await this.head(image), heatCells);
  }

  /**
   * Deletes a closed image at once, and its layers that nothing else names wherever they are; answers the nodes that have
   * not let go of them yet.
   * @throws OperationError IMAGE_OPEN, IMAGE_BUSY
   */
  delete(image: string): Promise<string[]> {
    return this.#admission.withImage(image, 'deleted', async () => {
      const nodes = this.#cluster.endpoints().map(({ node }) => node);
      const { leaving } = await this.#cluster.controller.catalogue.call('image.remove', { image, nodes });
      await this.#state.remove('images', image);
      return this.#sweep.sweepOf(leaving);
    });
  }

  /** Sets the background pull's rate, here and wherever the image is opened next; 0 turns it off. */
  async setPull(image: string, rateBytesPerSecond: number): Promise<void> {
    const head = await this.head(image);
    await this.#state.put('images', image, { image, pullRateBytesPerSecond: rateBytesPerSecond });
    if (head.writer !== null) await this.#pulls.start(image, head.writer);
  }
}

/** A closed image's layers as they were closed, the newest first. */
function layersOf({ stack, bytes, last }: Head): SealedLayer[] {
  const { lastSequence, entries, digest } = last;
  return [{ layer: stack.layer, bytes, lastSequence, entries, digest }, ...stack.below];
}
