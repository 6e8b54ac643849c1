// Records and callers with which the catalogue's tests begin, and the engine on which they are kept. Not a test itself.
import { addImage, type Entry } from '../../../blockd/catalogue/catalogue.ts';
import type { CatalogueStore } from '../../../blockd/catalogue/catalogue-store.ts';
import { codeOf } from '../../../common/errors.ts';
import type { CallContext } from '../../../common/rpc/server.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';

/** An engine with no records in it. */
export interface StoreStand {
  /** The store as it was left; one at a time. */
  open(): Promise<CatalogueStore>;
  /** Writes a record past the store. */
  damage(key: string, text: string): Promise<void>;
}

/** The callers of the catalogue are checked before its handlers. */
export const context: CallContext<null> = {
  peer: { node: 'k', role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
};

export const MIGRATION = '00000000000000aa';
export const LAYER = 'l00000000000000aa';

export function closing(image: string, epoch: number, lastSequence: number): Closing {
  return { image, epoch, lastSequence, entries: 1, digest: '0'.repeat(32), generation: 1 };
}

export function newEntry(image: string): Entry {
  return addImage(undefined, { image, layer: LAYER, bytes: 4096, holder: 'a', closing: closing(image, 0, 1) });
}

/** Commits new images. */
export function add(store: CatalogueStore, ...images: string[]): Promise<void> {
  return store.commit(() => ({ change: { entries: images.map(newEntry) }, answer: undefined }));
}

/** What an error is to be. */
export function isCode(code: string): (error: Error) => boolean {
  return (error) => codeOf(error) === code;
}
