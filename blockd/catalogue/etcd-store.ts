// Keeps the catalogue's records in etcd, for controllers of which any may have to take over. Every commit is one
// transaction on condition that the store's newest commit is the one that the decision saw: commits have one order over
// all catalogues, and two can never grant two epochs. A decision about anything older is made again, never sent.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../common/clock.ts';
import { OperationError } from '../../common/errors.ts';
import type { CatalogueState, Head, Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { NodeNotch, Notch } from '../../wire/contracts/store-notch.ts';
import type { Entry, Finished } from './catalogue.ts';
import {
  type CatalogueRecord,
  finishedKey,
  HELD_KINDS,
  isHeld,
  REBUILD_REMEDY,
  readFinished,
  recordsOf,
} from './catalogue-records.ts';
import type { CatalogueStore, Decide, Decided } from './catalogue-store.ts';
import { EtcdClient, type EtcdCluster } from './etcd-client.ts';
import { COMMIT, CommitLog } from './etcd-commit-log.ts';
import { EtcdMirror } from './etcd-mirror.ts';

/** Where the records are, and under which keys; several clouds may share an etcd. */
export interface EtcdStoreOptions extends EtcdCluster {
  /** What every key begins with: ASCII, ending with a slash. */
  readonly prefix: string;
}

/** From the call to its end, waiting for earlier ones included: longer than an election, less than a daemon's stop may take. */
const CALL_MS = 8_000;
/** Each lost attempt means that another catalogue has committed; there are two of them for some seconds at a take-over. */
const ATTEMPTS_MAX = 32;
/** etcd takes 128 operations in a transaction by default (--max-txn-ops). */
const TXN_KEYS_MAX = 128;

/** The heads in memory follow the cluster's: looked at before each read, and proved by each commit. */
export class EtcdStore implements CatalogueStore {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #prefix: string;
  #mirror = new EtcdMirror(CommitLog.read(undefined));
  #turn: Promise<unknown> = Promise.resolve();

  private constructor({ prefix, ...cluster }: EtcdStoreOptions, clock: Clock) {
    this.#client = new EtcdClient(cluster, clock);
    this.#clock = clock;
    this.#prefix = prefix;
  }

  /** @throws OperationError STORE_UNREACHABLE, STORE_REFUSED, CATALOGUE_DAMAGED */
  static async open(options: EtcdStoreOptions, clock: Clock): Promise<EtcdStore> {
    const store = new EtcdStore(options, clock);
    try {
      await store.#inTurn((untilMs) => store.#load(untilMs));
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  get state(): CatalogueState {
    return this.#mirror.table.state;
  }

  get heads(): Head[] {
    return this.#mirror.table.heads;
  }

  find(image: string): Entry | undefined {
    return this.#mirror.table.find(image);
  }

  get(image: string): Entry {
    return this.#mirror.table.get(image);
  }

  get snapshots(): Snapshot[] {
    return this.#mirror.table.snapshots;
  }

  findSnapshot(snapshot: string): Snapshot | undefined {
    return this.#mirror.table.findSnapshot(snapshot);
  }

  get leaving(): Leaving[] {
    return this.#mirror.table.leaving;
  }

  get notches(): NodeNotch[] {
    return this.#mirror.table.notches;
  }

  notchOf(node: string): Notch | undefined {
    return this.#mirror.table.notchOf(node);
  }

  inCut(cut: string): Entry[] {
    return this.#mirror.table.inCut(cut);
  }

  inTransfer(migration: string): Entry[] {
    return this.#mirror.table.inTransfer(migration);
  }

  async finished(migration: string): Promise<Finished | undefined> {
    const key = finishedKey(migration);
    const { record } = await this.#client.read(this.#prefix + key, this.#deadlineMs());
    return record === undefined ? undefined : readFinished(key, record.value);
  }

  async refresh(): Promise<void> {
    await this.#inTurn((untilMs) => this.#catchUp(untilMs));
  }

  commit<T>(decide: Decide<T>): Promise<T> {
    return this.#inTurn((untilMs) => this.#commit(decide, untilMs));
  }

  async close(): Promise<void> {
    await this.#turn;
    this.#client.close();
  }

  /** The deadline runs from the call on, so that what waits behind a cluster that is away does not wait in a row. */
  #inTurn<T>(work: (untilMs: number) => Promise<T>): Promise<T> {
    const untilMs = this.#deadlineMs();
    const turn = this.#turn.then(() => work(untilMs));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #deadlineMs(): number {
    return this.#clock.nowMs() + CALL_MS;
  }

  async #commit<T>(decide: Decide<T>, untilMs: number): Promise<T> {
    const tried: { readonly name: string; readonly answer: T }[] = [];
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const before = this.#mirror.log.revision;
      const outcome = await settled(decide);
      const records = outcome.isRefused ? [] : recordsOf(outcome.decided.change, this.state);
      if (!outcome.isRefused && records.length > 0) {
        const { answer } = outcome.decided;
        const name = randomUUID();
        tried.push({ name, answer });
        if (await this.#write(records, name, untilMs)) return answer;
      }
      // Also a refusal, and an answer that changes nothing, counts only if it saw the newest commit.
      const commits = await this.#catchUp(untilMs);
      const mine = tried.find(({ name }) => commits.includes(name));
      if (mine !== undefined) return mine.answer;
      if (this.#mirror.log.revision !== before) continue;
      if (outcome.isRefused) throw outcome.error;
      if (records.length === 0) return outcome.decided.answer;
      // No commit came between, and yet a record is not what it was: somebody else's hand.
      await this.#load(untilMs);
    }
    throw new OperationError('STORE_BUSY', `other catalogues committed first, ${ATTEMPTS_MAX} times in a row`, {
      remedy: 'Repeat the call; see that one controller leads.',
    });
  }

  /** Whether all was written; if not, memory is as it was. */
  async #write(records: readonly CatalogueRecord[], name: string, untilMs: number): Promise<boolean> {
    const { log } = this.#mirror;
    const conditions = [{ key: this.#prefix + COMMIT, revision: log.revision }];
    for (const { key } of records) {
      const revision = this.#mirror.revisionOf(key);
      if (revision !== undefined) conditions.push({ key: this.#prefix + key, revision });
    }
    const commit = log.with(
      name,
      records.map(({ key }) => key),
    );
    const writes = [...records, { key: COMMIT, text: commit }];
    const revision = await this.#client.swap(
      conditions,
      writes.map(({ key, text }) => ({ key: this.#prefix + key, value: text })),
      untilMs,
    );
    if (revision === undefined) return false;
    for (const record of records) this.#mirror.take(record, revision);
    this.#mirror.advance(CommitLog.read({ key: COMMIT, value: commit, revision }));
    return true;
  }

  /** Brings memory up to the newest commit; answers the names of the newest ones. */
  async #catchUp(untilMs: number): Promise<readonly string[]> {
    for (;;) {
      const { record } = await this.#client.read(this.#prefix + COMMIT, untilMs);
      const log = CommitLog.read(record);
      const seen = this.#mirror.log.revision;
      if (log.revision === seen) return log.names;
      if (log.revision < seen) throw wentBack(seen, log.revision);
      const keys = log.changedSince(seen)?.filter(isHeld);
      if (keys === undefined || keys.length > TXN_KEYS_MAX) return this.#load(untilMs);
      if (await this.#takeChanged(keys, log, untilMs)) return log.names;
      // One more commit came between; the deadline ends this.
    }
  }

  /** Whether the newest commit was still that of the log. */
  async #takeChanged(keys: readonly string[], log: CommitLog, untilMs: number): Promise<boolean> {
    const condition = { key: this.#prefix + COMMIT, revision: log.revision };
    const asked = keys.map((key) => this.#prefix + key);
    const records = await this.#client.readIf(condition, asked, untilMs);
    if (records === undefined) return false;
    const found = new Map(records.map((record) => [record.key, record]));
    for (const key of keys) {
      const record = found.get(this.#prefix + key);
      this.#mirror.take({ key, text: record?.value }, record?.revision ?? 0);
    }
    this.#mirror.advance(log);
    return true;
  }

  /** Reads all records anew, as they were at one moment; answers as `#catchUp`. */
  async #load(untilMs: number): Promise<readonly string[]> {
    const { revision, record } = await this.#client.read(this.#prefix + COMMIT, untilMs);
    const log = CommitLog.read(record);
    const mirror = new EtcdMirror(log);
    for (const kind of HELD_KINDS) {
      for (const one of await this.#client.readAll(this.#prefix + kind, revision, untilMs)) {
        mirror.take({ key: one.key.slice(this.#prefix.length), text: one.value }, one.revision);
      }
    }
    this.#mirror = mirror;
    return log.names;
  }
}

type Outcome<T> =
  | { readonly isRefused: false; readonly decided: Decided<T> }
  | { readonly isRefused: true; readonly error: unknown };

async function settled<T>(decide: Decide<T>): Promise<Outcome<T>> {
  try {
    return { isRefused: false, decided: await decide() };
  } catch (error) {
    return { isRefused: true, error };
  }
}

/** An epoch that was granted after that backup could be granted again (promise S3): nothing more is decided here. */
function wentBack(seen: number, newest: number): OperationError {
  return new OperationError('CATALOGUE_DAMAGED', `etcd went back from revision ${seen} to ${newest}`, {
    remedy: REBUILD_REMEDY,
  });
}
