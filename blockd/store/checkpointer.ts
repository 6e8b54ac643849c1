// Replaces a journal that has become long by a new table file and a short journal, while the image goes on: the table of one
// barrier is written piece by piece beside the old one; then the journal begins with a record that names it, and the
// records since that barrier. That one rename is the change; until then table and journal are the old ones.
import type { Disk, DiskFile } from '../../common/disk/disk.ts';
import { isFull } from '../../common/disk/disk-room.ts';
import { ENTRY_BYTES } from '../table/entry-slab.ts';
import type { TableCapture } from '../table/table-capture.ts';
import type { VersionTable } from '../table/version-table.ts';
import { makeTableFile, writeTable } from './resting-table.ts';
import type { StoreJournal } from './store-journal.ts';
import type { StoreRecord } from './store-record.ts';

/** A journal is replaced beyond this, or beyond a share of the table's size. */
const JOURNAL_BYTES_MIN = 8 * 2 ** 20;
/** For a full 100 GB a start replays 25 MB at most; a checkpoint writes 16 bytes for each that the journal has grown. */
const JOURNAL_SHARE = 16;

export interface CheckpointerParts {
  readonly disk: Disk;
  readonly directory: string;
  /** Where the table of each number lies. */
  readonly path: (number: number) => string;
  readonly journal: StoreJournal;
  readonly table: VersionTable;
  /** The table that the journal names. */
  readonly number: number;
  /** A journal longer than this is replaced; for tests. */
  readonly journalBytes: number | undefined;
}

/** A checkpoint under way. */
interface Running {
  readonly file: DiskFile;
  readonly path: string;
  capture?: TableCapture;
}

/** The checkpoints of one image, one at a time: `begin`, then `capture`, then `go` or `drop`. */
export class Checkpointer {
  readonly #parts: CheckpointerParts;
  #number: number;
  #running: Running | undefined;
  #ended: Promise<void> = Promise.resolve();
  /** How long the journal was when the disk had no room for a checkpoint. */
  #noRoomAtBytes = 0;

  constructor(parts: CheckpointerParts) {
    this.#parts = parts;
    this.#number = parts.number;
  }

  /**
   * Whether the journal is long, and no checkpoint under way. Never after a failure: of a rename that failed nobody knows
   * which table the journal names, and the next one's file would take the place of that table.
   */
  get isDue(): boolean {
    const { journal, journalBytes, table } = this.#parts;
    if (this.#running !== undefined || journal.failure !== undefined) return false;
    const tableBytes = table.placedBlocks * ENTRY_BYTES;
    const limitBytes = journalBytes ?? Math.max(JOURNAL_BYTES_MIN, tableBytes / JOURNAL_SHARE);
    return journal.sizeBytes > Math.max(limitBytes, 2 * this.#noRoomAtBytes);
  }

  /**
   * Makes the file; false where there is no room: the journal goes on then, for twice its length before the next try.
   * @throws Error of the disk
   */
  async begin(): Promise<boolean> {
    const { disk, table } = this.#parts;
    const path = this.#parts.path(this.#number + 1);
    try {
      this.#running = { path, file: await makeTableFile(disk, path, table) };
    } catch (cause) {
      if (!isFull(cause)) throw cause;
      this.#noRoomAtBytes = this.#parts.journal.sizeBytes;
    }
    return this.#running !== undefined;
  }

  /** The table as it is now is the checkpoint's, if the barrier that takes its changes passes. */
  capture(): void {
    const running = this.#running;
    if (running === undefined) return;
    running.capture = this.#parts.table.capture({
      spill: ({ bytes, offset }) => running.file.writeSync(bytes, offset),
    });
  }

  /**
   * The barrier's record is in the journal, and this is its turn: what the record for the table's number says is all that
   * the journal says up to here, apart from the entries.
   */
  go(recordFor: (number: number) => StoreRecord): void {
    const { sizeBytes } = this.#parts.journal;
    this.#ended = this.#write(recordFor(this.#number + 1), sizeBytes);
  }

  /** The barrier has not passed. */
  drop(): void {
    this.#ended = this.#giveUp();
  }

  /** Ends what is under way, unless the journal names it already. */
  async close(): Promise<void> {
    this.#running?.capture?.end();
    await this.#ended;
  }

  async #write(record: StoreRecord, headBytes: number): Promise<void> {
    try {
      if (await this.#replace(record, headBytes)) await this.#finish();
      else await this.#giveUp();
    } catch (cause) {
      if (isFull(cause)) this.#noRoomAtBytes = this.#parts.journal.sizeBytes;
      // Whatever else it was is final: after a rename that failed the journal may name either table.
      else this.#parts.journal.errorOf(cause);
      await this.#giveUp();
    }
  }

  async #replace(record: StoreRecord, headBytes: number): Promise<boolean> {
    const { disk, directory, journal, table } = this.#parts;
    const { file, capture } = this.#running ?? {};
    if (file === undefined || capture === undefined || !(await writeTable(file, capture))) return false;
    table.release();
    await disk.syncDirectory(directory);
    await journal.replaceHead(record, headBytes);
    return true;
  }

  /** The journal names the new table. One that cannot be removed is found at the next start. */
  async #finish(): Promise<void> {
    const { disk, path } = this.#parts;
    await this.#running?.file.close().catch(() => undefined);
    await disk.remove(path(this.#number)).catch(() => undefined);
    this.#number++;
    this.#noRoomAtBytes = 0;
    this.#running = undefined;
  }

  async #giveUp(): Promise<void> {
    const { disk, journal, table } = this.#parts;
    table.release();
    const { file, path } = this.#running ?? {};
    await file?.close().catch(() => undefined);
    if (path !== undefined && journal.failure === undefined) await disk.remove(path).catch(() => undefined);
    this.#running = undefined;
  }
}
