// The one node of a blockd that is alone: its store's calls and its catalogue's, both of this process.
import type { CallContext, Handlers } from '../../common/rpc/server.ts';
import { LONE_NODE } from '../../wire/contracts/alone.ts';
import type { blockdContract } from '../../wire/contracts/blockd.ts';
import type { catalogueContract, Head } from '../../wire/contracts/catalogue.ts';
import { catalogueCalls } from '../catalogue/catalogue-calls.ts';
import type { CatalogueStore } from '../catalogue/catalogue-store.ts';
import { blockCalls } from '../image/block-calls.ts';
import type { ImageShelf } from '../image/image-shelf.ts';
import { ImageTurns } from '../image/image-turns.ts';
import { filesGone } from '../image/lone-images.ts';

/** A call that nobody gives up and whose progress nobody hears. */
export const HERE: CallContext<unknown> = {
  peer: { node: LONE_NODE, role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
};

export class LoneNode {
  readonly shelf: ImageShelf;
  readonly records: CatalogueStore;
  readonly store: Handlers<typeof blockdContract>;
  readonly catalogue: Handlers<typeof catalogueContract>;
  readonly #turns = new ImageTurns();

  constructor(shelf: ImageShelf, records: CatalogueStore) {
    this.shelf = shelf;
    this.records = records;
    this.store = blockCalls(shelf);
    this.catalogue = catalogueCalls(records);
  }

  /** One change of what there is after the other. */
  inTurn<T>(step: () => Promise<T>): Promise<T> {
    return this.#turns.take('', step);
  }

  /** The record of an image that is here and can be used. @throws OperationError NO_IMAGE, IMAGE_UNUSABLE */
  usable(image: string): Head {
    const { head } = this.records.get(image);
    for (const { layer } of [head.stack, ...head.stack.below]) this.shelf.layers.refuseUnusable(layer);
    if (this.shelf.find(image) === undefined) throw filesGone(image);
    return head;
  }

  /** The store keeps the records too, and shows the snapshots that they name. @throws Error of the disk */
  async keepRecords(): Promise<void> {
    await this.shelf.keepRecords(await this.catalogue['records.list']({}, HERE));
  }
}
