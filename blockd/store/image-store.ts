// One layer on this node's disk: its data file, its table and the journal that makes both survive a crash. Nothing is
// told to anyone before its barrier (data, then one record) has answered. A barrier that met a full disk changes nothing
// and may be asked for again (promise S9); any other failure of one is final (promise S2).
import type { Disk, DiskFile } from '../../common/disk.ts';
import { codeOf, OperationError } from '../../common/errors.ts';
import type { Journal } from '../../common/journal.ts';
import { BLOCK_BYTES, SEQUENCE_MAX } from '../table/block-version.ts';
import { ENTRY_BYTES } from '../table/table-file.ts';
import type { TableMark, VersionTable } from '../table/version-table.ts';
import { ActiveExtents } from './active-extents.ts';
import { BlockFile } from './block-file.ts';
import { StoreJournal } from './store-journal.ts';
import type { StoreRecord, StoreState } from './store-record.ts';
import { ZeroBlocks } from './zero-blocks.ts';

/** Numbers reserved by one record: a restart skips at most these. */
export const RESERVATION = 2 ** 20;
/** A journal is replaced by a checkpoint beyond this or beyond the table's own size: replay stays short. */
const JOURNAL_BYTES_MIN = 8 * 2 ** 20;

/** What a barrier may change besides the entries. */
export interface StoreChange {
  readonly state?: Partial<StoreState>;
  /** No write has begun since the last barrier and none will before the next change of role. */
  readonly clean?: boolean;
  /** Reserve sequences for a new writer. */
  readonly reserve?: boolean;
}

/** Who is told of durable changes. Runs are as in `version-run.ts`, holders by this store's index. */
export interface TableListener {
  /** The whole table, or what is newer than the sequence it asked for. */
  whole(runs: Buffer, mark: TableMark): void;
  changes(runs: Buffer, mark: TableMark): void;
}

/** Where the parts of a layer lie. */
export interface LayerPaths {
  readonly directory: string;
  readonly data: string;
  readonly journal: string;
  readonly table: (number: number) => string;
}

export interface StoreParts {
  readonly disk: Disk;
  readonly layer: string;
  readonly paths: LayerPaths;
  readonly data: DiskFile;
  readonly journal: Journal<StoreRecord>;
  readonly table: VersionTable;
  readonly tableNumber: number;
  readonly state: StoreState;
  readonly holders: readonly string[];
  readonly reservedBelow: number;
  readonly active: ReadonlySet<number>;
  /** A journal longer than this is replaced by a checkpoint; for tests. */
  readonly checkpointBytes?: number;
}

interface Barrier {
  change: StoreChange;
  readonly done: Promise<void>;
  resolve(): void;
  reject(reason: Error): void;
}

interface Newcomer {
  readonly listener: TableListener;
  readonly afterSequence: number | undefined;
}

/** A layer's durable side. All calls but those that answer a promise are synchronous and change memory only. */
export class ImageStore {
  readonly layer: string;
  readonly blocks: number;
  readonly table: VersionTable;
  readonly active: ActiveExtents;
  readonly zeros: ZeroBlocks;
  readonly file: BlockFile;
  readonly #parts: StoreParts;
  readonly #holders: string[];
  readonly #journal: StoreJournal;
  readonly #listeners = new Set<TableListener>();
  readonly #newcomers = new Set<Newcomer>();
  #state: StoreState;
  #tableNumber: number;
  #nextSequence: number;
  #reservedBelow: number;
  #reserving: Promise<void> | undefined;
  #holdersChanged = false;
  #waiting: Barrier | undefined;
  #running: Barrier | undefined;
  /** How long the journal was when the disk had no room for a checkpoint. */
  #noRoomAtBytes = 0;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.layer = parts.layer;
    this.blocks = parts.table.blocks;
    this.table = parts.table;
    this.#journal = new StoreJournal(parts.state.image, parts.journal);
    this.active = new ActiveExtents(this.blocks, parts.active);
    this.zeros = new ZeroBlocks(parts.table, parts.data);
    this.file = new BlockFile(parts.data, parts.table);
    this.#holders = [...parts.holders];
    this.#state = parts.state;
    this.#tableNumber = parts.tableNumber;
    this.#reservedBelow = parts.reservedBelow;
    this.#nextSequence = parts.reservedBelow;
  }

  /** The image that it is the top of, or was made for. */
  get image(): string {
    return this.#state.image;
  }

  /** Numbers from here on were never used by this store (SOUNDNESS A1). */
  get reservedBelow(): number {
    return this.#reservedBelow;
  }

  get bytes(): number {
    return this.blocks * BLOCK_BYTES;
  }

  /** The durable state: a change shows here only after its barrier. */
  get state(): StoreState {
    return this.#state;
  }

  /** Why nothing can be made durable any more; undefined while all is well. */
  get failure(): OperationError | undefined {
    return this.#journal.failure;
  }

  get followers(): number {
    return this.#listeners.size + this.#newcomers.size;
  }

  holderName(index: number): string {
    return this.#holders[index] ?? '';
  }

  get holders(): readonly string[] {
    return this.#holders;
  }

  /** The index of a node's name in this store's list, which grows when it is new. */
  holderIndex(node: string): number {
    const known = this.#holders.indexOf(node);
    if (known >= 0) return known;
    this.#holdersChanged = true;
    return this.#holders.push(node) - 1;
  }

  /** The next number for a write; undefined while the reservation has to catch up (`reserve`). */
  takeSequence(): number | undefined {
    if (this.#nextSequence >= this.#reservedBelow) return undefined;
    if (this.#reservedBelow - this.#nextSequence === RESERVATION / 2) this.reserve().catch(() => this.failure);
    return this.#nextSequence++;
  }

  /** Makes more numbers usable. @throws OperationError SEQUENCE_END at the end of the 40 bits, ENOSPC, STORE_FAILED */
  reserve(): Promise<void> {
    this.#reserving ??= this.#reserveMore().finally(() => {
      this.#reserving = undefined;
    });
    return this.#reserving;
  }

  /** Marks extents durably so that the blocks may be written; `active.touch` then says yes. */
  activate(first: number, end: number): Promise<void> {
    return this.#journal.inTurn(async (journal) => {
      const idle = this.active.idleOf(first, end);
      if (idle.length === 0) return;
      await journal.append({ active: idle });
      this.active.add(idle);
    });
  }

  /** Everything written before the call is durable after the answer; undefined if it already is. */
  flush(): Promise<void> | undefined {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.table.hasChanges || this.#waiting !== undefined) return this.commit({});
    return this.#running?.done;
  }

  /**
   * A barrier that also changes the state, in one record.
   * @throws OperationError ENOSPC, and then nothing is changed and what was written is still to be made durable;
   * STORE_FAILED
   */
  commit(change: StoreChange): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.#waiting ??= newBarrier();
    const before = this.#waiting.change;
    this.#waiting.change = {
      state: { ...before.state, ...change.state },
      clean: before.clean === true || change.clean === true,
      reserve: before.reserve === true || change.reserve === true,
    };
    const { done } = this.#waiting;
    if (this.#running === undefined) void this.#runBarriers();
    return done;
  }

  /** Tells the listener the durable table and then each durable change, until the answered function is called. */
  follow(listener: TableListener, afterSequence?: number): () => void {
    const newcomer = { listener, afterSequence };
    this.#newcomers.add(newcomer);
    this.commit({}).catch(() => this.failure);
    return () => {
      this.#newcomers.delete(newcomer);
      this.#listeners.delete(listener);
    };
  }

  /** Closes the files after everything is durable; without `clean` the next start takes it for a crash. */
  async close(): Promise<void> {
    try {
      if (this.failure === undefined) await this.commit({ clean: true });
    } finally {
      await this.zeros.punched;
      await this.#parts.journal.close();
      await this.#parts.data.close();
    }
  }

  async #runBarriers(): Promise<void> {
    while (this.#waiting !== undefined) {
      const barrier = this.#waiting;
      this.#running = barrier;
      this.#waiting = undefined;
      try {
        await this.#pass(barrier.change);
        barrier.resolve();
      } catch (cause) {
        barrier.reject(this.#journal.errorOf(cause));
      }
    }
    this.#running = undefined;
  }

  /** One barrier: what is in memory now becomes durable, then known. */
  async #pass(change: StoreChange): Promise<void> {
    const runs = this.table.takeChanges();
    const mark = this.table.mark;
    const zeroed = this.zeros.take();
    const newcomers = Array.from(this.#newcomers, (one) => ({ one, whole: this.table.runs(one.afterSequence) }));
    const snapshot = this.#journalIsLong() ? this.#snapshot() : undefined;
    const record = this.#recordOf(change, runs, mark);
    try {
      if (runs.length > 0) await this.#parts.data.datasync();
      await this.#journal.inTurn((journal) => journal.append(record));
    } catch (cause) {
      this.table.settle(runs, false);
      this.#holdersChanged ||= record.holders !== undefined;
      for (const { first, end } of zeroed) this.zeros.note(first, end);
      throw cause;
    }
    this.table.settle(runs, true);
    this.#adopt(record);
    for (const listener of this.#listeners) listener.changes(runs, mark);
    for (const { one, whole } of newcomers) this.#welcome(one, whole, mark);
    if (snapshot !== undefined) await this.#checkpointIfRoom(snapshot, mark);
    this.zeros.punch(zeroed);
  }

  /** Tells the whole table to one who has not gone meanwhile. */
  #welcome(newcomer: Newcomer, whole: Buffer, mark: TableMark): void {
    if (!this.#newcomers.delete(newcomer)) return;
    this.#listeners.add(newcomer.listener);
    newcomer.listener.whole(whole, mark);
  }

  #recordOf(change: StoreChange, runs: Buffer, mark: TableMark): StoreRecord {
    const holders = this.#holdersChanged ? { holders: [...this.#holders] } : {};
    this.#holdersChanged = false;
    return {
      ...holders,
      ...(change.state === undefined ? {} : { state: { ...this.#state, ...change.state } }),
      ...(change.clean === true ? { clean: true } : {}),
      ...(change.reserve === true ? { reservedBelow: this.#reservation(mark.lastSequence) } : {}),
      ...(runs.length > 0 ? { runs } : {}),
      lastSequence: mark.lastSequence,
    };
  }

  /** Numbers for a new writer begin above everything used here and everything in the table. */
  #reservation(lastSequence: number): number {
    this.#nextSequence = Math.max(this.#reservedBelow, lastSequence + 1);
    return Math.min(this.#nextSequence + RESERVATION, SEQUENCE_MAX + 1);
  }

  #adopt(record: StoreRecord): void {
    if (record.state !== undefined) this.#state = record.state;
    if (record.clean === true) this.active.clear();
    if (record.reservedBelow !== undefined) this.#reservedBelow = record.reservedBelow;
  }

  async #reserveMore(): Promise<void> {
    const below = Math.min(this.#reservedBelow + RESERVATION, SEQUENCE_MAX + 1);
    if (below === this.#reservedBelow) {
      throw new OperationError('SEQUENCE_END', `image ${this.image} has used all ${SEQUENCE_MAX} write numbers`, {
        remedy: 'Copy it into a new image.',
      });
    }
    await this.#journal.inTurn((journal) => journal.append({ reservedBelow: below }));
    this.#reservedBelow = below;
  }

  #journalIsLong(): boolean {
    const { journal, checkpointBytes } = this.#parts;
    const limitBytes = checkpointBytes ?? Math.max(JOURNAL_BYTES_MIN, this.table.placedBlocks * ENTRY_BYTES);
    return journal.sizeBytes > Math.max(limitBytes, 2 * this.#noRoomAtBytes);
  }

  #snapshot(): Buffer {
    this.active.cool();
    return this.table.toBytes();
  }

  /** Without room for a checkpoint the journal goes on as it is, for twice its length before the next try. */
  async #checkpointIfRoom(table: Buffer, mark: TableMark): Promise<void> {
    try {
      await this.#checkpoint(table, mark);
      this.#noRoomAtBytes = 0;
    } catch (cause) {
      if (codeOf(cause) !== 'ENOSPC') throw cause;
      this.#noRoomAtBytes = this.#parts.journal.sizeBytes;
    }
  }

  /** Writes the table as it was at this barrier and lets a new journal begin there. */
  async #checkpoint(table: Buffer, mark: TableMark): Promise<void> {
    const { disk, paths } = this.#parts;
    const number = this.#tableNumber + 1;
    await disk.replace(paths.table(number), table);
    await this.#journal.inTurn((journal) =>
      journal.rewrite([
        {
          header: { bytes: this.bytes, table: number, mark },
          state: this.#state,
          holders: [...this.#holders],
          reservedBelow: this.#reservedBelow,
          active: this.active.list(),
          lastSequence: mark.lastSequence,
        },
      ]),
    );
    await disk.remove(paths.table(this.#tableNumber));
    this.#tableNumber = number;
  }
}

function newBarrier(): Barrier {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Whoever asked for the barrier hears of its failure; one that nobody waits for must not end the process.
  promise.catch(() => undefined);
  return { change: {}, done: promise, resolve, reject };
}
