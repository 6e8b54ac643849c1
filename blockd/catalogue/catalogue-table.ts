// The heads in memory, as every store has them beside its records. Follows the records; never ahead of what is durable.
import { OperationError } from '../../common/errors.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { Entry } from './catalogue.ts';
import { type CatalogueRecord, imageOf, readEntry } from './catalogue-records.ts';

/** All images' entries by name. */
export class CatalogueTable {
  readonly #entries = new Map<string, Entry>();

  get heads(): Head[] {
    return Array.from(this.#entries.values(), (entry) => entry.head);
  }

  find(image: string): Entry | undefined {
    return this.#entries.get(image);
  }

  /** @throws OperationError NO_IMAGE */
  get(image: string): Entry {
    const entry = this.#entries.get(image);
    if (entry !== undefined) return entry;
    throw new OperationError('NO_IMAGE', `there is no image ${image}`, { remedy: 'List the images.' });
  }

  inTransfer(migration: string): Entry[] {
    return [...this.#entries.values()].filter(({ head }) => head.transfer?.migration === migration);
  }

  /** Takes a record as it stands in the store now; those of other kinds are none of its business. @throws OperationError CATALOGUE_DAMAGED */
  take({ key, text }: CatalogueRecord): void {
    const image = imageOf(key);
    if (image === undefined) return;
    if (text === undefined) this.#entries.delete(image);
    else this.#entries.set(image, readEntry(key, text));
  }
}
