// The heads and what their layers are named by in memory, as every store has them beside its records. Follows the records; never ahead of what is durable.
import { OperationError } from '../../common/errors.ts';
import type { CatalogueState, Head, Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { NodeNotch, Notch } from '../../wire/contracts/store-notch.ts';
import type { Entry } from './catalogue.ts';
import {
  type CatalogueRecord,
  imageOf,
  isState,
  leavingLayer,
  NEW_STATE,
  notchNode,
  readEntry,
  readLeaving,
  readNotch,
  readSnapshot,
  readState,
  snapshotName,
} from './catalogue-records.ts';

/** All images' entries and snapshots by name, and the layers that are to leave some node. */
export class CatalogueTable {
  readonly #entries = new Map<string, Entry>();
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #leaving = new Map<string, Leaving>();
  readonly #notches = new Map<string, NodeNotch>();
  #state = NEW_STATE;

  get state(): CatalogueState {
    return this.#state;
  }

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
    throw new OperationError('NO_IMAGE', `there is no image ${image}`, {
      remedy: 'supercloud image list has those that there are.',
    });
  }

  get snapshots(): Snapshot[] {
    return [...this.#snapshots.values()];
  }

  findSnapshot(snapshot: string): Snapshot | undefined {
    return this.#snapshots.get(snapshot);
  }

  get leaving(): Leaving[] {
    return [...this.#leaving.values()];
  }

  get notches(): NodeNotch[] {
    return [...this.#notches.values()];
  }

  notchOf(node: string): Notch | undefined {
    return this.#notches.get(node)?.notch;
  }

  inCut(cut: string): Entry[] {
    return [...this.#entries.values()].filter(({ head }) => head.cut?.id === cut);
  }

  inTransfer(migration: string): Entry[] {
    return [...this.#entries.values()].filter(({ head }) => head.transfer?.migration === migration);
  }

  /** Takes a record as it stands in the store now; those of other kinds are none of its business. @throws OperationError CATALOGUE_DAMAGED */
  take({ key, text }: CatalogueRecord): void {
    if (isState(key)) this.#state = text === undefined ? NEW_STATE : readState(key, text);
    const [image, snapshot, layer, node] = [imageOf(key), snapshotName(key), leavingLayer(key), notchNode(key)];
    if (image !== undefined) put(this.#entries, image, text === undefined ? undefined : readEntry(key, text));
    if (snapshot !== undefined)
      put(this.#snapshots, snapshot, text === undefined ? undefined : readSnapshot(key, text));
    if (layer !== undefined) put(this.#leaving, layer, text === undefined ? undefined : readLeaving(key, text));
    if (node !== undefined) put(this.#notches, node, text === undefined ? undefined : readNotch(key, text));
  }
}

function put<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
