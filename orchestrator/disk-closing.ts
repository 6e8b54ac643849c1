// Ends a VM's hold on an image: the node closes its store and the catalogue is told how, or that nothing was ever
// written. An epoch under which something may have been written is never given back as unused.
import { codeOf } from '../common/errors.ts';
import type { Closing } from '../wire/contracts/blockd.ts';
import type { Cluster } from './cluster.ts';

export class DiskClosing {
  readonly #cluster: Cluster;

  constructor(options: { cluster: Cluster }) {
    this.#cluster = options.cluster;
  }

  /** May be repeated; an image that the node has not open, or that is gone, is no error. */
  async close(image: string, node: string): Promise<void> {
    const { catalogue } = this.#cluster.controller;
    const { heads } = await catalogue.call('image.list', {});
    const head = heads.find((one) => one.image === image);
    if (head?.writer !== node) return;
    const { epoch } = head;
    const closing = await this.#closingOf(image, node, epoch);
    if (closing === undefined) await catalogue.call('epoch.abandon', { image, node, epoch });
    else await catalogue.call('epoch.close', { image, node, closing });
  }

  /** How the epoch ended; undefined when the store never opened the image under it, and now never will. */
  async #closingOf(image: string, node: string, epoch: number): Promise<Closing | undefined> {
    try {
      return await this.#cluster.clients(node).blockd.call('image.close', { image, epoch });
    } catch (error) {
      if (codeOf(error) === 'IMAGE_NOT_OPEN') return undefined;
      throw error;
    }
  }
}
