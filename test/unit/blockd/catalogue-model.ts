// The catalogue's store as its interface says it, in memory: what the real ones are compared with. Not a test itself.
import type { Entry, Finished } from '../../../blockd/catalogue/catalogue.ts';
import type { CatalogueStore, Decide } from '../../../blockd/catalogue/catalogue-store.ts';
import { OperationError } from '../../../common/errors.ts';
import type { CatalogueState, Head, Leaving, Snapshot } from '../../../wire/contracts/catalogue.ts';
import type { NodeNotch, Notch } from '../../../wire/contracts/store-notch.ts';

export class ModelStore implements CatalogueStore {
  readonly #entries = new Map<string, Entry>();
  readonly #finished = new Map<string, Finished>();
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #leaving = new Map<string, Leaving>();
  readonly #notches = new Map<string, NodeNotch>();

  state: CatalogueState = { incarnation: 1, serial: 0, behind: '' };

  get heads(): Head[] {
    return Array.from(this.#entries.values(), ({ head }) => head);
  }

  find(image: string): Entry | undefined {
    return this.#entries.get(image);
  }

  get(image: string): Entry {
    const entry = this.#entries.get(image);
    if (entry === undefined) throw new OperationError('NO_IMAGE', image);
    return entry;
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

  finished(migration: string): Promise<Finished | undefined> {
    return Promise.resolve(this.#finished.get(migration));
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  /** For one caller at a time. */
  async commit<T>(decide: Decide<T>): Promise<T> {
    const { change, answer } = await decide();
    for (const entry of change.entries ?? []) this.#entries.set(entry.head.image, entry);
    if (change.removed !== undefined) this.#entries.delete(change.removed);
    if (change.finished !== undefined) this.#finished.set(change.finished.migration, change.finished.outcome);
    for (const one of change.snapshots ?? []) this.#snapshots.set(one.snapshot, one);
    if (change.snapshotRemoved !== undefined) this.#snapshots.delete(change.snapshotRemoved);
    for (const one of change.leaving ?? []) {
      if (one.nodes.length > 0) this.#leaving.set(one.layer, one);
      else this.#leaving.delete(one.layer);
    }
    const { notches = [], ...others } = change;
    for (const one of notches) this.#notches.set(one.node, one);
    const isCommit =
      change.state !== undefined || Object.values(others).some((one) => !Array.isArray(one) || one.length > 0);
    if (isCommit) this.state = { ...this.state, ...change.state, serial: this.state.serial + 1 };
    return answer;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
