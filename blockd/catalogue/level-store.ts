// Keeps the catalogue's records on this machine's disk, one durable batch per commit, one commit at a time.
import { Level } from 'level';
import { isFull } from '../../common/disk/disk-room.ts';
import { isHeadless, readyLevelDirectory } from '../../common/disk/level-directory.ts';
import { codeOf, messageOf, OperationError } from '../../common/errors.ts';
import type { CatalogueState, Head, Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { NodeNotch, Notch } from '../../wire/contracts/store-notch.ts';
import type { Entry, Finished } from './catalogue.ts';
import { type CatalogueRecord, finishedKey, HELD_KINDS, readFinished, recordsOf } from './catalogue-records.ts';
import type { CatalogueStore, Decide } from './catalogue-store.ts';
import { CatalogueTable } from './catalogue-table.ts';

/** The character after `!` in ASCII: the end of a range of keys. */
const AFTER = '"';

/** The embedded store: a directory that one process has at a time, which the kernel sees to. */
export class LevelStore implements CatalogueStore {
  readonly #directory: string;
  #level: Level<string, string>;
  #table: CatalogueTable;
  #turn: Promise<unknown> = Promise.resolve();
  /** The disk had no room for a commit: LevelDB takes no other until it is opened anew. */
  #stuck: OperationError | undefined;

  private constructor(directory: string, { level, table }: Opened) {
    this.#directory = directory;
    this.#level = level;
    this.#table = table;
  }

  /** @throws OperationError CATALOGUE_DAMAGED, ENOSPC; Error with cause LEVEL_LOCKED while another process has the directory */
  static async open(directory: string): Promise<LevelStore> {
    if (await isHeadless(directory)) throw damagedAt(directory, 'its file CURRENT is missing');
    return new LevelStore(directory, await opened(directory));
  }

  get state(): CatalogueState {
    return this.#table.state;
  }

  get heads(): Head[] {
    return this.#table.heads;
  }

  find(image: string): Entry | undefined {
    return this.#table.find(image);
  }

  get(image: string): Entry {
    return this.#table.get(image);
  }

  get snapshots(): Snapshot[] {
    return this.#table.snapshots;
  }

  findSnapshot(snapshot: string): Snapshot | undefined {
    return this.#table.findSnapshot(snapshot);
  }

  get leaving(): Leaving[] {
    return this.#table.leaving;
  }

  get notches(): NodeNotch[] {
    return this.#table.notches;
  }

  notchOf(node: string): Notch | undefined {
    return this.#table.notchOf(node);
  }

  inCut(cut: string): Entry[] {
    return this.#table.inCut(cut);
  }

  inTransfer(migration: string): Entry[] {
    return this.#table.inTransfer(migration);
  }

  async finished(migration: string): Promise<Finished | undefined> {
    const key = finishedKey(migration);
    const text = await this.#level.get(key).catch((error: unknown) => {
      throw this.#stuck ?? error;
    });
    return text === undefined ? undefined : readFinished(key, text);
  }

  /** Nobody else writes here. */
  refresh(): Promise<void> {
    return Promise.resolve();
  }

  commit<T>(decide: Decide<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      if (this.#stuck !== undefined) await this.#openAnew();
      const { change, answer } = await decide();
      await this.#write(recordsOf(change, this.state));
      return answer;
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#level.close();
  }

  async #write(records: readonly CatalogueRecord[]): Promise<void> {
    if (records.length === 0) return;
    const batch = this.#level.batch();
    for (const { key, text } of records) {
      if (text === undefined) batch.del(key);
      else batch.put(key, text);
    }
    await batch.write({ sync: true }).catch((error: unknown) => {
      this.#stuck = noRoom(this.#directory, error, 'for a change');
      throw this.#stuck ?? error;
    });
    for (const record of records) this.#table.take(record);
  }

  /**
   * What the commit that failed has left, if anything, counts: nobody was told that it had not been made.
   * @throws OperationError ENOSPC and those of `open`
   */
  async #openAnew(): Promise<void> {
    await this.#level.close();
    const { level, table } = await opened(this.#directory);
    this.#level = level;
    this.#table = table;
    this.#stuck = undefined;
  }
}

interface Opened {
  readonly level: Level<string, string>;
  readonly table: CatalogueTable;
}

async function opened(directory: string): Promise<Opened> {
  await readyLevelDirectory(directory).catch((error: unknown) => {
    throw noRoom(directory, error) ?? error;
  });
  const level = new Level<string, string>(directory, { valueEncoding: 'utf8' });
  await level.open().catch((error: unknown) => {
    throw notOpened(directory, error);
  });
  const table = new CatalogueTable();
  try {
    for (const kind of HELD_KINDS) {
      const range = { gte: kind, lt: kind.slice(0, -1) + AFTER };
      for await (const [key, text] of level.iterator(range)) table.take({ key, text });
    }
  } catch (error) {
    await level.close();
    throw notOpened(directory, error);
  }
  return { level, table };
}

/** What LevelDB says, as a person needs it; its errors are named by their causes (LEVEL_LOCKED, LEVEL_CORRUPTION ...). */
function notOpened(directory: string, error: unknown): unknown {
  if (error instanceof OperationError) return error;
  if (codeOf(causeOf(error)) === 'LEVEL_LOCKED') return error;
  return (
    noRoom(directory, error) ?? notAllowed(directory, error) ?? damagedAt(directory, messageOf(causeOf(error)), error)
  );
}

/** LevelDB's own words, which it passes on as a cause; of the operating system alone. */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

/** Nothing is wrong with what is there. */
function notAllowed(directory: string, error: unknown): OperationError | undefined {
  const [what] = /Read-only file system|Permission denied/.exec(messageOf(causeOf(error))) ?? [];
  if (what === undefined) return undefined;
  const [code, why] =
    what === 'Permission denied' ? ['EACCES', 'that is not allowed'] : ['EROFS', 'its file system is read only'];
  return new OperationError(code, `the catalogue in ${directory} cannot be written: ${why}`, {
    remedy: 'Make it writable and start again; nothing of the catalogue is lost.',
    cause: error,
  });
}

/** Every opening writes. */
function noRoom(
  directory: string,
  error: unknown,
  wants: 'to be opened' | 'for a change' = 'to be opened',
): OperationError | undefined {
  if (!isFull(error) && !/No space left on device|Disk quota exceeded/.test(messageOf(causeOf(error))))
    return undefined;
  const again = wants === 'to be opened' ? 'start again; nothing of the catalogue is lost' : 'try again';
  return new OperationError('ENOSPC', `the catalogue in ${directory} has no room ${wants}: the disk is full`, {
    remedy: `Make room on that disk and ${again}.`,
    cause: error,
  });
}

function damagedAt(directory: string, reason: string, cause?: unknown): OperationError {
  return new OperationError('CATALOGUE_DAMAGED', `the catalogue in ${directory} cannot be used: ${reason}`, {
    remedy:
      'Move that directory away (keep it), start the catalogue again, which is empty then, and make it again with ' +
      'supercloud catalogue rebuild.',
    cause,
  });
}
