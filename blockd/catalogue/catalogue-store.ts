// What keeps the catalogue's records, whichever engine does: `level` on the controller's disk, or etcd for several
// controllers. A store decides nothing; it makes sure that what was decided on is what stands there.
import type { CatalogueState, Head, Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { NodeNotch, Notch } from '../../wire/contracts/store-notch.ts';
import type { Entry, Finished } from './catalogue.ts';

/** What a commit changes, all of it or nothing. A new kind of record is a field here and a row in `catalogue-records.ts`. */
export interface CatalogueChange {
  readonly entries?: readonly Entry[];
  /** The image whose entry goes. */
  readonly removed?: string;
  readonly finished?: { readonly migration: string; readonly outcome: Finished };
  readonly snapshots?: readonly Snapshot[];
  readonly snapshotRemoved?: string;
  /** One without nodes is removed. */
  readonly leaving?: readonly Leaving[];
  /** How far stores have come: no record that a store keeps, so that the serial does not rise by them alone. */
  readonly notches?: readonly NodeNotch[];
  /** What is to be otherwise in it; the serial rises by itself. */
  readonly state?: Partial<Pick<CatalogueState, 'incarnation' | 'behind'>>;
}

/** What a decision comes to: the change to commit, and the answer to give once it is durable. */
export interface Decided<T> {
  readonly change: CatalogueChange;
  readonly answer: T;
}

/**
 * Looks at the store and decides, or throws and changes nothing. It is called again when another catalogue committed
 * first, so it has no effect of its own.
 */
export type Decide<T> = () => Promise<Decided<T>> | Decided<T>;

/** All images' heads: read from memory, changed by one commit at a time. */
export interface CatalogueStore {
  /** How far it is. */
  readonly state: CatalogueState;
  /** Every head. */
  readonly heads: Head[];
  find(image: string): Entry | undefined;
  /** @throws OperationError NO_IMAGE */
  get(image: string): Entry;
  readonly snapshots: Snapshot[];
  findSnapshot(snapshot: string): Snapshot | undefined;
  /** Layers that are still to leave some node. */
  readonly leaving: Leaving[];
  /** The newest notch that each store was seen at. */
  readonly notches: NodeNotch[];
  notchOf(node: string): Notch | undefined;
  /** The images that a standing cut holds. */
  inCut(cut: string): Entry[];
  /** The images that a standing transfer holds. */
  inTransfer(migration: string): Entry[];
  /** How a transfer ended; undefined while it stands or if there was none. @throws OperationError CATALOGUE_DAMAGED, STORE_UNREACHABLE */
  finished(migration: string): Promise<Finished | undefined>;
  /** After it every commit that was answered before, by whichever catalogue, can be read. @throws OperationError CATALOGUE_DAMAGED, STORE_UNREACHABLE */
  refresh(): Promise<void>;
  /**
   * Decides and commits before the next one may decide; durable with the answer. No decision counts that did not see
   * every earlier commit. @throws what `decide` throws; OperationError CATALOGUE_DAMAGED; STORE_UNREACHABLE, after which
   * the change may still come to pass, so that the call must be repeated; STORE_BUSY
   */
  commit<T>(decide: Decide<T>): Promise<T>;
  /** Waits for the commits that were begun. */
  close(): Promise<void>;
}
