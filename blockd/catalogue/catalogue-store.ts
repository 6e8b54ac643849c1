// Keeps the catalogue's entries on disk, one durable batch per commit, one commit at a time. Decides nothing.
import { Level } from 'level';
import type { Static, TSchema } from 'typebox';
import { OperationError } from '../../common/errors.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import { Entry, Finished } from './catalogue.ts';

const HEAD = 'head!';
const FINISHED = 'finished!';
/** The character after `!` in ASCII: the end of a range of keys. */
const AFTER = '"';

/** What a commit changes. */
export interface CatalogueChange {
  readonly entries?: readonly Entry[];
  readonly removed?: string;
  readonly finished?: { readonly migration: string; readonly outcome: Finished };
}

/** All images' heads, in memory and on disk. */
export class CatalogueStore {
  readonly #level: Level<string, unknown>;
  readonly #entries: Map<string, Entry>;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(level: Level<string, unknown>, entries: Map<string, Entry>) {
    this.#level = level;
    this.#entries = entries;
  }

  /** @throws OperationError CATALOGUE_DAMAGED */
  static async open(directory: string): Promise<CatalogueStore> {
    const level = new Level<string, unknown>(directory, { valueEncoding: 'json' });
    await level.open();
    const check = new SchemaCheck(Entry);
    const entries = new Map<string, Entry>();
    for await (const [key, value] of level.iterator({ gte: HEAD, lt: HEAD.slice(0, -1) + AFTER })) {
      entries.set(key.slice(HEAD.length), checked(check, key, value));
    }
    return new CatalogueStore(level, entries);
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

  async #write({ entries = [], removed, finished }: CatalogueChange): Promise<void> {
    const batch = this.#level.batch();
    for (const entry of entries) batch.put(HEAD + entry.head.image, entry);
    if (removed !== undefined) batch.del(HEAD + removed);
    if (finished !== undefined) batch.put(FINISHED + finished.migration, finished.outcome);
    if (batch.length === 0) return batch.close();
    await batch.write({ sync: true });
    for (const entry of entries) this.#entries.set(entry.head.image, entry);
    if (removed !== undefined) this.#entries.delete(removed);
  }
}

function checked<S extends TSchema>(check: SchemaCheck<S>, key: string, value: unknown): Static<S> {
  if (check.accepts(value)) return value;
  throw new OperationError('CATALOGUE_DAMAGED', `the catalogue's record ${key}: ${check.fault(value)}`, {
    remedy: 'Rebuild the catalogue from the stores.',
  });
}
