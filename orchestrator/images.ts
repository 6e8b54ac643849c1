// Images as the operator sees them: the catalogue's head, the stores' share, and the background pull that ends the
// dependence on other nodes. Blocks never pass through here.
import { OperationError } from '../common/errors.ts';
import type { Closing } from '../wire/contracts/blockd.ts';
import type { Head } from '../wire/contracts/catalogue.ts';
import type { ImageState } from '../wire/contracts/orchestrator.ts';
import type { Members } from './members.ts';
import type { State } from './state.ts';

/** Half of the lab's 200 Mbit/s: the guest's own fetches and the next migration keep the other half. */
const PULL_RATE_BYTES_PER_SECOND = 12_500_000;

/** What a new image is made of: a raw file at the node, or nothing but a size. */
export interface ImageSource {
  readonly path?: string | undefined;
  readonly bytes?: number | undefined;
}

export class Images {
  readonly #state: State;
  readonly #members: Members;

  constructor(options: { state: State; members: Members }) {
    this.#state = options.state;
    this.#members = options.members;
  }

  async heads(): Promise<Head[]> {
    return (await this.#members.controller.catalogue.call('image.list', {})).heads;
  }

  head(image: string): Promise<Head> {
    return this.#members.controller.catalogue.call('image.head', { image });
  }

  /** Makes an image at a node and names it in the catalogue; on failure nothing is left at the node. */
  async create(
    image: string,
    node: string,
    source: ImageSource,
    onProgress: (progress: { doneBytes: number; totalBytes: number }) => void,
  ): Promise<Head> {
    if ((await this.heads()).some((head) => head.image === image)) {
      throw new OperationError('IMAGE_EXISTS', `there is an image ${image} already`, { remedy: 'choose another name' });
    }
    const member = this.#members.upNodeOf(node);
    const { blockd } = this.#members.clients(member.node);
    const closing = await this.#fill(blockd, image, source, onProgress);
    try {
      const { bytes } = await blockd.call('image.show', { image });
      return await this.#members.controller.catalogue.call('image.add', { image, bytes, holder: member.node, closing });
    } catch (error) {
      await blockd.call('image.delete', { image });
      throw error;
    }
  }

  async #fill(
    blockd: ReturnType<Members['clients']>['blockd'],
    image: string,
    source: ImageSource,
    onProgress: (progress: { doneBytes: number; totalBytes: number }) => void,
  ): Promise<Closing> {
    if (source.path !== undefined) return blockd.call('image.import', { image, path: source.path }, { onProgress });
    if (source.bytes === undefined) {
      throw new OperationError('IMAGE_SOURCE', `image ${image} needs a file or a size`, {
        remedy: 'give --file or --size',
      });
    }
    await blockd.call('image.create', { image, bytes: source.bytes });
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

  /** Head and every reachable store's view. */
  async show(image: string): Promise<ImageState> {
    const head = await this.head(image);
    const shown: ImageState = { head, stores: [], unreachable: [] };
    await Promise.all(
      this.#members.endpoints().map(async ({ node }) => {
        try {
          const { images } = await this.#members.clients(node).blockd.call('image.list', {});
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

  /** Deletes a closed image everywhere; a store that cannot be reached is named and nothing is forgotten. */
  async delete(image: string): Promise<void> {
    const { head, stores, unreachable } = await this.show(image);
    if (head.writer !== null) {
      throw new OperationError('IMAGE_OPEN', `image ${image} is open at ${head.writer}`, {
        remedy: 'delete the VM that uses it first',
      });
    }
    if (unreachable.length > 0) {
      throw new OperationError(
        'NODE_DOWN',
        `image ${image} may have blocks at ${unreachable.join(', ')}, out of reach`,
        {
          remedy: 'try again when the node is back',
        },
      );
    }
    for (const { node } of stores) await this.#members.clients(node).blockd.call('image.delete', { image });
    await this.#members.controller.catalogue.call('image.remove', { image });
    await this.#state.remove('images', image);
  }

  /** Sets the background pull's rate, here and wherever the image is opened next; 0 turns it off. */
  async setPull(image: string, rateBytesPerSecond: number): Promise<void> {
    const head = await this.head(image);
    await this.#state.put('images', image, { image, pullRateBytesPerSecond: rateBytesPerSecond });
    if (head.writer !== null) await this.startPull(image, head.writer);
  }

  /** Starts fetching what is missing at the node where the image is open, at the image's rate. */
  async startPull(image: string, node: string): Promise<void> {
    const rateBytesPerSecond = this.#state.get('images', image)?.pullRateBytesPerSecond ?? PULL_RATE_BYTES_PER_SECOND;
    await this.#members.clients(node).blockd.call('pull.set', { image, rateBytesPerSecond });
  }
}
