// Ends a VM's hold on an image: the node closes its store and the catalogue is told how, or that nothing was ever
// written. An epoch under which something may have been written is never given back as unused.
import { codeOf, OperationError } from '../../common/errors.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { Cluster } from '../cluster.ts';

export class DiskClosing {
  readonly #cluster: Cluster;

  constructor(options: { cluster: Cluster }) {
    this.#cluster = options.cluster;
  }

  /** May be repeated; @throws OperationError CUT_STANDS. An image that the node has not open, or that is gone, is no error. */
  async close(image: string, node: string): Promise<void> {
    const { catalogue } = this.#cluster.controller;
    const { heads } = await catalogue.call('image.list', {});
    const head = heads.find((one) => one.image === image);
    if (head?.writer !== node) return;
    if (head.cut !== null) {
      throw new OperationError(
        'CUT_STANDS',
        `a cut of image ${image} is under way (${head.cut.snapshot ?? 'for a larger size'})`,
        {
          remedy: 'it is finished or taken back within seconds once its node answers; try again then',
        },
      );
    }
    const { epoch } = head;
    const closing = await this.#closingOf(head, node);
    if (closing === undefined) await catalogue.call('epoch.abandon', { image, node, epoch });
    else await catalogue.call('epoch.close', { image, node, closing });
  }

  /** How the epoch ended; undefined when the store never opened the image under it, and now never will. */
  async #closingOf({ image, epoch, stack }: Head, node: string): Promise<Closing | undefined> {
    const { layer } = stack;
    try {
      return await this.#cluster.clients(node).blockd.call('image.close', { image, layer, epoch });
    } catch (error) {
      if (codeOf(error) === 'IMAGE_NOT_OPEN') return undefined;
      throw error;
    }
  }
}
