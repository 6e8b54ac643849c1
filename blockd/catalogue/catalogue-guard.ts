// What a catalogue that is not known to be the newest must not decide. It looks, and refuses or does nothing.
import { OperationError } from '../../common/errors.ts';
import { REBUILD_REMEDY } from './catalogue-records.ts';
import type { CatalogueStore } from './catalogue-store.ts';
import type { StoreBook } from './store-book.ts';

/** Asked within each decision, before anything else. */
export class CatalogueGuard {
  readonly #store: Pick<CatalogueStore, 'state'>;
  readonly #stores: StoreBook | undefined;

  constructor(store: Pick<CatalogueStore, 'state'>, stores: StoreBook | undefined) {
    this.#store = store;
    this.#stores = stores;
  }

  /** An epoch is to be granted to a node. @throws OperationError CATALOGUE_BEHIND, STORE_UNHEARD */
  granting(node: string): void {
    this.building();
    this.#stores?.check(node);
  }

  /** Something is to stand on what is known. @throws OperationError CATALOGUE_BEHIND */
  building(): void {
    const { behind } = this.#store.state;
    if (behind === '') return;
    throw new OperationError('CATALOGUE_BEHIND', `the catalogue is not the newest: ${behind}`, {
      remedy: REBUILD_REMEDY,
    });
  }

  /** Layers that nothing seems to name are to go. @throws OperationError CATALOGUE_BEHIND, STORE_UNHEARD */
  forgetting(): void {
    this.building();
    this.#stores?.checkAny();
  }
}
