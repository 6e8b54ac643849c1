// Keeps the catalogue's entries on disk, one durable batch per commit, one commit at a time. Decides nothing.
import { Level } from 'level';
import type { Static, TSchema } from 'typebox';
import { OperationError } from '../../common/errors.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import { type Head, Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';
import { Entry, Finished } from './catalogue.ts';

const HEAD = 'head!';
const FINISHED = 'finished!';
const SNAPSHOT = 'snapshot!';
const LEAVING = 'leaving!';
/** The character after `!` in ASCII: the end of a range of keys. */
const AFTER = '"';

/** What a commit changes. */
export interface CatalogueChange {
  readonly entries?: readonly Entry[];
  readonly removed?: string;
  readonly finished?: { readonly migration: string; readonly outcome: Finished };
  readonly snapshot?: Snapshot;
  readonly snapshotRemoved?: string;
  /** One without nodes is removed. */
  readonly leaving?: readonly Leaving[];
}

/** What is kept apart from the heads. */
interface Layers {
  readonly snapshots: Map<string, Snapshot>;
  readonly leaving: Map<string, Leaving>;
}

/** All images' heads and what their layers are named by, in memory and on disk. */
export class CatalogueStore {
  readonly #level: Level<string, unknown>;
  readonly #entries: Map<string, Entry>;
  readonly #layers: Layers;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(level: Level<string, unknown>, entries: Map<string, Entry>, layers: Layers) {
    this.#level = level;
    this.#entries = entries;
    this.#layers = layers;
  }

  /** @throws OperationError CATALOGUE_DAMAGED */
  static async open(directory: string): Promise<CatalogueStore> {
    const level = new Level<string, unknown>(directory, { valueEncoding: 'json' });
    await level.open();
    const layers = { snapshots: await load(level, SNAPSHOT, Snapshot), leaving: await load(level, LEAVING, Leaving) };
    return new CatalogueStore(level, await load(level, HEAD, Entry), layers);
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
    throw new OperationError('NO_IMAGE', `there is no image ${image}`, { remedy: 'List the images.' });
  }

  get snapshots(): Snapshot[] {
    return [...this.#layers.snapshots.values()];
  }

  findSnapshot(snapshot: string): Snapshot | undefined {
    return this.#layers.snapshots.get(snapshot);
  }

  /** Layers that are still to leave some node. */
  get leaving(): Leaving[] {
    return [...this.#layers.leaving.values()];
  }

  /** The images that a standing cut holds. */
  inCut(cut: string): Entry[] {
    return [...this.#entries.values()].filter(({ head }) => head.cut?.id === cut);
  }

  /** The images that a standing transfer holds. */
  inTransfer(migration: string): Entry[] {
    return [...this.#entries.values()].filter(({ head }) => head.transfer?.migration === migration);
  }

  async finished(migration: string): Promise<Finished | undefined> {
    const value = await this.#level.get(FINISHED + migration);
    return value === undefined ? undefined : checked(new SchemaCheck(Finished), migration, value);
  }

  /** Decides and commits before the next one may decide; durable with the answer. */
  commit<T>(
    decide: () => Promise<{ change: CatalogueChange; answer: T }> | { change: CatalogueChange; answer: T },
  ): Promise<T> {
    const turn = this.#turn.then(async () => {
      const { change, answer } = await decide();
      await this.#write(change);
      return answer;
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#level.close();
  }

  async #write(change: CatalogueChange): Promise<void> {
    const { entries = [], removed, finished, snapshot, snapshotRemoved, leaving = [] } = change;
    const batch = this.#level.batch();
    for (const entry of entries) batch.put(HEAD + entry.head.image, entry);
    if (removed !== undefined) batch.del(HEAD + removed);
    if (finished !== undefined) batch.put(FINISHED + finished.migration, finished.outcome);
    if (snapshot !== undefined) batch.put(SNAPSHOT + snapshot.snapshot, snapshot);
    if (snapshotRemoved !== undefined) batch.del(SNAPSHOT + snapshotRemoved);
    for (const one of leaving) {
      if (one.nodes.length > 0) batch.put(LEAVING + one.layer, one);
      else batch.del(LEAVING + one.layer);
    }
    if (batch.length === 0) return batch.close();
    await batch.write({ sync: true });
    for (const entry of entries) this.#entries.set(entry.head.image, entry);
    if (removed !== undefined) this.#entries.delete(removed);
    this.#adoptLayers(change);
  }

  #adoptLayers({ snapshot, snapshotRemoved, leaving = [] }: CatalogueChange): void {
    if (snapshot !== undefined) this.#layers.snapshots.set(snapshot.snapshot, snapshot);
    if (snapshotRemoved !== undefined) this.#layers.snapshots.delete(snapshotRemoved);
    for (const one of leaving) {
      if (one.nodes.length > 0) this.#layers.leaving.set(one.layer, one);
      else this.#layers.leaving.delete(one.layer);
    }
  }
}

async function load<S extends TSchema>(
  level: Level<string, unknown>,
  prefix: string,
  schema: S,
): Promise<Map<string, Static<S>>> {
  const check = new SchemaCheck(schema);
  const records = new Map<string, Static<S>>();
  for await (const [key, value] of level.iterator({ gte: prefix, lt: prefix.slice(0, -1) + AFTER })) {
    records.set(key.slice(prefix.length), checked(check, key, value));
  }
  return records;
}

function checked<S extends TSchema>(check: SchemaCheck<S>, key: string, value: unknown): Static<S> {
  if (check.accepts(value)) return value;
  throw new OperationError('CATALOGUE_DAMAGED', `the catalogue's record ${key}: ${check.fault(value)}`, {
    remedy: 'Rebuild the catalogue from the stores.',
  });
}
