// Images as the operator sees them: the catalogue's head and the stores' share. Blocks never pass through here.
import { messageOf, OperationError } from '../common/errors.ts';
import type { Closing, ExportedFile, ExportFormat, ImageFormat } from '../wire/contracts/blockd.ts';
import type { Head } from '../wire/contracts/catalogue.ts';
import type { ImageState } from '../wire/contracts/orchestrator.ts';
import { type Admission, imageOpen } from './admission.ts';
import type { BackgroundPulls } from './background-pulls.ts';
import type { Cluster, NodeDaemons } from './cluster.ts';
import type { State } from './state.ts';

/** What a new image is made of: a disk file at the node, or nothing but a size. */
export interface ImageSource {
  readonly path?: string | undefined;
  /** Of the file; recognised when it is not said. */
  readonly format?: ImageFormat | undefined;
  readonly bytes?: number | undefined;
}

/** Where an image is to be written: by a node that has all its blocks. */
export interface ImageTarget {
  readonly node?: string | undefined;
  readonly path: string;
  readonly format: ExportFormat;
}

/** Who hears how far it is, and says when to stop. */
interface Watch {
  readonly onProgress: (progress: { doneBytes: number; totalBytes: number }) => void;
  readonly signal?: AbortSignal;
}

export class Images {
  readonly #state: State;
  readonly #cluster: Cluster;
  readonly #admission: Admission;
  readonly #pulls: BackgroundPulls;

  constructor(options: { state: State; cluster: Cluster; admission: Admission; pulls: BackgroundPulls }) {
    this.#state = options.state;
    this.#cluster = options.cluster;
    this.#admission = options.admission;
    this.#pulls = options.pulls;
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
    await this.#deleteNameless(image);
    try {
      const closing = await this.#fill(blockd, image, source, watch);
      const { bytes } = await blockd.call('image.show', { image });
      return await this.#cluster.controller.catalogue.call('image.add', { image, bytes, holder: member.node, closing });
    } catch (error) {
      await this.#dropUnless(error, image, blockd);
      throw error;
    }
  }

  /** An image that was half made, or deleted while its node was away, must not be taken for the new one. */
  async #deleteNameless(image: string): Promise<void> {
    const nodes = this.#cluster.endpoints().filter(({ node }) => this.#cluster.isUp(node));
    await Promise.all(
      nodes.map(async ({ node }) => {
        const { blockd } = this.#cluster.clients(node);
        const { images } = await blockd.call('image.list', {});
        if (images.some((store) => store.image === image)) await blockd.call('image.delete', { image });
      }),
    );
  }

  /** Unless the catalogue may have it: then the image is there, and its answer was lost. */
  async #dropUnless(error: unknown, image: string, blockd: NodeDaemons['blockd']): Promise<void> {
    const heads = await this.heads().catch(() => undefined);
    if (heads === undefined || heads.some((head) => head.image === image)) return;
    await blockd.call('image.delete', { image }).catch((cause: unknown) => {
      throw new OperationError('IMAGE_HALF_MADE', `image ${image} was not made: ${messageOf(error)}`, {
        cause,
        remedy: 'what is left of it at the node goes when the image is created again',
      });
    });
  }

  async #fill(
    blockd: NodeDaemons['blockd'],
    image: string,
    { path, format, bytes }: ImageSource,
    watch: Watch,
  ): Promise<Closing> {
    if (path !== undefined) {
      return blockd.call('image.import', { image, path, ...(format === undefined ? {} : { format }) }, watch);
    }
    if (bytes === undefined) {
      throw new OperationError('IMAGE_SOURCE', `image ${image} needs a file or a size`, {
        remedy: 'give --file or --size',
      });
    }
    await blockd.call('image.create', { image, bytes });
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
      const { writer, holder, last } = await this.head(image);
      if (writer !== null) throw imageOpen(image, `at ${writer}`);
      const { node } = this.#cluster.upNodeOf(target.node ?? holder);
      const { path, format } = target;
      const file = await this.#cluster.clients(node).blockd.call('image.export', { last, path, format }, watch);
      return { node, file };
    });
  }

  /** Head and every reachable store's view. */
  async show(image: string): Promise<ImageState> {
    const head = await this.head(image);
    const shown: ImageState = { head, stores: [], unreachable: [] };
    await Promise.all(
      this.#cluster.endpoints().map(async ({ node }) => {
        try {
          const { images } = await this.#cluster.clients(node).blockd.call('image.list', {});
          const store = images.find((candidate) => candidate.image === image);
          if (store !== undefined) shown.stores.push({ node, store });
        } catch {
          // Said in the answer: a store that cannot be asked is named, not guessed at.
          shown.unreachable.push(node);
        }
      }),
    );
    shown.stores.sort((a, b) => a.node.localeCompare(b.node));
    return shown;
  }

  /**
   * Deletes a closed image everywhere; a store that cannot be reached is named and nothing is forgotten.
   * @throws OperationError IMAGE_OPEN, IMAGE_BUSY, NODE_DOWN
   */
  delete(image: string): Promise<void> {
    return this.#admission.withImage(image, 'deleted', () => this.#remove(image));
  }

  async #remove(image: string): Promise<void> {
    const { head, stores, unreachable } = await this.show(image);
    if (head.writer !== null) throw imageOpen(image, `at ${head.writer}`);
    if (unreachable.length > 0) {
      throw new OperationError(
        'NODE_DOWN',
        `image ${image} may have blocks at ${unreachable.join(', ')}, out of reach`,
        {
          remedy: 'try again when the node is back',
        },
      );
    }
    for (const { node } of stores) await this.#cluster.clients(node).blockd.call('image.delete', { image });
    await this.#cluster.controller.catalogue.call('image.remove', { image });
    await this.#state.remove('images', image);
  }

  /** Sets the background pull's rate, here and wherever the image is opened next; 0 turns it off. */
  async setPull(image: string, rateBytesPerSecond: number): Promise<void> {
    const head = await this.head(image);
    await this.#state.put('images', image, { image, pullRateBytesPerSecond: rateBytesPerSecond });
    if (head.writer !== null) await this.#pulls.start(image, head.writer);
  }
}
