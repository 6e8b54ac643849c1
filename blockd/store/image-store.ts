// One layer on this node's disk: its data file, its table and the journal that makes both survive a crash. Nothing is
// told to anyone before its barrier (data, then one record) has answered. A barrier that met a full disk changes nothing
// and may be asked for again (promise S9); any other failure of one is final (promise S2).
import type { Disk, DiskFile } from '../../common/disk/disk.ts';
import type { OperationError } from '../../common/errors.ts';
import type { Journal } from '../../common/journal/journal.ts';
import { BLOCK_BYTES, type EpochEnd } from '../table/block-version.ts';
import type { TableMark, VersionTable } from '../table/version-table.ts';
import { ActiveExtents } from './active-extents.ts';
import { Barrier, type StoreChange } from './barrier.ts';
import { BlockFile } from './block-file.ts';
import { CachedCopies } from './cached-copies.ts';
import { Checkpointer } from './checkpointer.ts';
import type { CutOffTails } from './cut-off-tails.ts';
import { ExtentMarks } from './extent-marks.ts';
import { SpoiltBlocks } from './spoilt-blocks.ts';
import { StoreJournal } from './store-journal.ts';
import type { StoreRecord, StoreState } from './store-record.ts';
import { type TableListener, TableListeners, type TableTelling } from './table-listeners.ts';
import { WriteNumbers } from './write-numbers.ts';
import { ZeroBlocks } from './zero-blocks.ts';

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
  readonly checkpointBytes?: number | undefined;
  /** Keeps what it wrote when it was cut off; without it nobody does. */
  readonly tails?: Pick<CutOffTails, 'isAside'> | undefined;
}

/** A layer's durable side. All calls but those that answer a promise are synchronous and change memory only. */
export class ImageStore {
  readonly layer: string;
  readonly blocks: number;
  readonly table: VersionTable;
  readonly active: ActiveExtents;
  readonly zeros: ZeroBlocks;
  readonly file: BlockFile;
  readonly spoilt: SpoiltBlocks;
  readonly copies: CachedCopies;
  readonly #parts: StoreParts;
  readonly #holders: string[];
  readonly #journal: StoreJournal;
  readonly #marks: ExtentMarks;
  readonly #numbers: WriteNumbers;
  readonly #checkpoints: Checkpointer;
  readonly #listeners: TableListeners;
  #state: StoreState;
  #holdersChanged = false;
  #durableSequence: number;
  #waiting: Barrier | undefined;
  #running: Barrier | undefined;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.layer = parts.layer;
    this.blocks = parts.table.blocks;
    this.table = parts.table;
    this.#journal = new StoreJournal(parts.state.image, parts.journal);
    this.active = new ActiveExtents(this.blocks, parts.active);
    this.zeros = new ZeroBlocks(parts.table, parts.data, (block) => this.spoilt.isUnreadable(block));
    this.file = new BlockFile(parts.data, parts.table, (block) => this.spoilt.note(block));
    const { active, zeros, table, file } = this;
    const around = { active, zeros, table, file, journal: this.#journal };
    this.spoilt = new SpoiltBlocks({ ...around, flush: () => this.flush() });
    this.#marks = new ExtentMarks({ ...around, spoilt: this.spoilt, kernelRun: parts.disk.kernelRun });
    this.#numbers = new WriteNumbers(parts.state.image, this.#journal, parts.reservedBelow);
    this.#listeners = new TableListeners(parts.table);
    this.copies = new CachedCopies(this);
    this.#holders = [...parts.holders];
    this.#state = parts.state;
    this.#durableSequence = parts.table.lastSequence;
    this.#checkpoints = new Checkpointer({
      disk: parts.disk,
      directory: parts.paths.directory,
      path: parts.paths.table,
      journal: this.#journal,
      table: parts.table,
      number: parts.tableNumber,
      journalBytes: parts.checkpointBytes,
    });
  }

  /** The image that it is the top of, or was made for. */
  get image(): string {
    return this.#state.image;
  }

  /** Numbers from here on were never used by this store (SOUNDNESS A1). */
  get reservedBelow(): number {
    return this.#numbers.reservedBelow;
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

  /** Of the newest barrier that has passed: every change that is durable is in the table that followers hear of with it. */
  get durableSequence(): number {
    return this.#durableSequence;
  }

  get followers(): number {
    return this.#listeners.count;
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
    return this.#numbers.take();
  }

  /** Makes more numbers usable. @throws OperationError SEQUENCE_END at the end of the 40 bits, ENOSPC, STORE_FAILED */
  reserve(): Promise<void> {
    return this.#numbers.reserve();
  }

  /** Marks extents durably so that the blocks may be written; `active.touch` then says yes. */
  activate(first: number, end: number): Promise<void> {
    return this.#marks.make(first, end);
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
    this.#waiting ??= new Barrier();
    this.#waiting.add(change);
    const { done } = this.#waiting;
    if (this.#running === undefined) void this.#runBarriers();
    return done;
  }

  /** Tells the listener each durable change from now on, and the table so far as fast as the telling is asked. */
  follow(listener: TableListener, afterSequence?: number): TableTelling {
    return this.#listeners.add(listener, afterSequence, () => this.commit({}).catch(() => this.failure));
  }

  /**
   * Whether a table may be heard that says so of how epochs ended: what this store wrote beyond that is set aside. If not, that
   * begins, and whoever asks again later hears yes.
   */
  isTailAside(ends: readonly EpochEnd[]): boolean {
    return this.#parts.tails?.isAside(this, ends) ?? true;
  }

  /** Closes the files after everything is durable; without `clean` the next start takes it for a crash. */
  async close(): Promise<void> {
    try {
      if (this.failure === undefined) await this.commit({ clean: true });
    } finally {
      await this.#checkpoints.close();
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
    const isCheckpoint = this.#checkpoints.isDue && (await this.#checkpoints.begin());
    if (isCheckpoint) await this.spoilt.lookAgain();
    const runs = this.table.takeChanges();
    const mark = this.table.mark;
    const tell = this.#listeners.prepare(runs);
    if (isCheckpoint) this.#capture();
    const record = this.#recordOf(change, runs, mark);
    try {
      await this.zeros.clearNoted();
      if (runs.length > 0) await this.#parts.data.datasync();
      await this.#journal.inTurn(async (journal) => {
        await journal.append(record);
        this.#adopt(record);
        if (isCheckpoint) this.#checkpoints.go((number) => this.#head(number, mark));
      });
    } catch (cause) {
      if (isCheckpoint) this.#checkpoints.drop();
      this.table.settle(runs, false);
      this.#holdersChanged ||= record.holders !== undefined;
      throw cause;
    }
    this.table.settle(runs, true);
    this.#durableSequence = mark.lastSequence;
    tell(runs, mark);
  }

  #recordOf(change: StoreChange, runs: Buffer, mark: TableMark): StoreRecord {
    const holders = this.#holdersChanged ? { holders: [...this.#holders] } : {};
    this.#holdersChanged = false;
    return {
      ...holders,
      ...(change.state === undefined ? {} : { state: { ...this.#state, ...change.state } }),
      ...(change.clean === true ? { clean: true } : {}),
      ...(change.reserve === true ? { reservedBelow: this.#numbers.forNewWriter(mark.lastSequence) } : {}),
      ...(runs.length > 0 ? { runs } : {}),
      lastSequence: mark.lastSequence,
    };
  }

  /** What is in the journal is so; in its append's turn, or another record's word could come between. */
  #adopt(record: StoreRecord): void {
    if (record.state !== undefined) this.#state = record.state;
    if (record.clean === true) this.active.clear();
    if (record.reservedBelow !== undefined) this.#numbers.adopt(record.reservedBelow);
  }

  /** A checkpoint has the table of this barrier; extents that were not written since the last one go idle with it. */
  #capture(): void {
    this.active.cool();
    this.#checkpoints.capture();
  }

  /** All that the journal says by now, the entries left to the table of this number. */
  #head(table: number, mark: TableMark): StoreRecord {
    return {
      header: { bytes: this.bytes, table, mark },
      state: this.#state,
      holders: [...this.#holders],
      reservedBelow: this.#numbers.reservedBelow,
      active: this.active.list(),
      kernelRun: this.#parts.disk.kernelRun,
      lastSequence: mark.lastSequence,
    };
  }
}
