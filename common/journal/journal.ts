// An append-only file of records that are durable when the answer comes. Appends that meet are written and synced
// together. Never goes on after a failed sync: what is on the disk then is unknown until the file is read again.
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Static, TSchema } from '#typebox';
import type { Disk, DiskFile } from '../disk/disk.ts';
import { isFull } from '../disk/disk-room.ts';
import { messageOf, OperationError } from '../errors.ts';
import { encodeMessagePack } from '../messagepack.ts';
import { encodeFrame, JOURNAL_HEADER } from './journal-frame.ts';
import { type Begin, readJournal, recordsOf } from './journal-reader.ts';

/** What opening found. */
export interface Opened<T> {
  readonly journal: Journal<T>;
  /** In the order in which they were appended. */
  readonly records: T[];
  /** Bytes of an unfinished append that were cut off the end; its caller had no answer yet. */
  readonly tornBytes: number;
}

interface Waiting<T> {
  readonly records: readonly T[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The new file of a rewrite that is not finished. */
interface Fresh {
  readonly file: DiskFile;
  readonly endBytes: number;
  /** The old file's bytes up to here are in it, or will not be. */
  readonly copiedToBytes: number;
}

/** Ends the new file's name while a rewrite is not finished; one that is found at opening is left over from a crash. */
const REWRITE_SUFFIX = '.rewrite';
/** What is copied from file to file in one step. */
const COPY_BYTES = 2 ** 20;

/** A journal of records of one schema. Calls may overlap; records stand in the order of the calls. */
export class Journal<T> {
  readonly #disk: Disk;
  readonly #path: string;
  #file: DiskFile;
  #endBytes: number;
  /** The appends that the next write takes together; none while no write is queued behind all else. */
  #batch: Waiting<T>[] | undefined;
  /** The writes and rewrites that were started, one after the other. */
  #queue: Promise<void> = Promise.resolve();
  #failure: OperationError | undefined;

  private constructor(disk: Disk, path: string, file: DiskFile, endBytes: number) {
    this.#disk = disk;
    this.#path = path;
    this.#file = file;
    this.#endBytes = endBytes;
  }

  /**
   * Opens or makes a journal and reads it. An unfinished append at its end is cut off. What a process that was killed had
   * appended, or put into an older journal's place, counts when it is read: it is made durable first. What a failed sync has
   * kept from the disk does not.
   * @throws OperationError JOURNAL_DAMAGED when good records follow bad bytes or it `isBegun`, JOURNAL_UNREADABLE when it is of another
   * format or its records are not what the schema says; nothing is changed then
   */
  static async open<S extends TSchema>(
    disk: Disk,
    path: string,
    schema: S,
    begin: Begin = {},
  ): Promise<Opened<Static<S>>> {
    await disk.remove(path + REWRITE_SUFFIX);
    const file = await disk.open(path, 'write');
    try {
      await file.datasync();
      await disk.dropCached(path);
      await disk.syncDirectory(dirname(path));
      const { payloads, goodBytes, tornBytes } = await readJournal(disk, file, path, begin);
      const records = recordsOf(payloads, schema, path);
      return { journal: new Journal<Static<S>>(disk, path, file, goodBytes), records, tornBytes };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The file's size. */
  get sizeBytes(): number {
    return this.#endBytes;
  }

  /** Why nothing can be appended any more; undefined while it can, also after an append that met ENOSPC. */
  get failure(): OperationError | undefined {
    return this.#failure;
  }

  /**
   * Appends records, all or none of them; they are durable when it answers.
   * @throws OperationError JOURNAL_FAILED; after ENOSPC the journal stays usable, after a failed sync it does not
   */
  append(...records: T[]): Promise<void> {
    if (records.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#openBatch().push({ records, resolve, reject });
    });
  }

  /** Replaces all records (compaction): the old ones or the new ones are there after a crash, never a mixture. */
  rewrite(records: readonly T[]): Promise<void> {
    // Appends that come after this call must not join a write that comes before it.
    this.#batch = undefined;
    return new Promise((resolve, reject) => {
      this.#enqueue(() => this.#rewrite(records).then(resolve, reject));
    });
  }

  /**
   * Replaces what stands before a position, which was the `sizeBytes` of some moment, by other records; what was appended
   * since stays behind them. Otherwise as `rewrite`. Appends go on meanwhile but for the last step. One rewrite at a time.
   * @throws OperationError JOURNAL_FAILED; after ENOSPC nothing has changed, and the journal stays usable
   */
  async replaceHead(records: readonly T[], headBytes: number): Promise<void> {
    this.#throwIfFailed();
    const fresh = await this.#writeFresh(records, headBytes);
    await new Promise<void>((resolve, reject) => {
      this.#enqueue(() => this.#takeOver(fresh).then(resolve, reject));
    });
  }

  /** Waits for what was started and closes the file. */
  async close(): Promise<void> {
    this.#batch = undefined;
    this.#enqueue(async () => {
      this.#failure ??= new OperationError('JOURNAL_FAILED', `the journal ${this.#path} is closed`);
      await this.#file.close();
    });
    await this.#queue;
  }

  #enqueue(work: () => Promise<void>): void {
    this.#queue = this.#queue.then(work);
  }

  #openBatch(): Waiting<T>[] {
    if (this.#batch !== undefined) return this.#batch;
    const batch: Waiting<T>[] = [];
    this.#batch = batch;
    this.#enqueue(() => this.#writeBatch(batch));
    return batch;
  }

  async #writeBatch(batch: readonly Waiting<T>[]): Promise<void> {
    if (this.#batch === batch) this.#batch = undefined;
    try {
      await this.#write(batch.flatMap((one) => one.records));
      for (const one of batch) one.resolve();
    } catch (error) {
      for (const one of batch) one.reject(error);
    }
  }

  async #write(records: readonly T[]): Promise<void> {
    this.#throwIfFailed();
    const frame = encodeFrame(encodeMessagePack(records), crc32);
    try {
      await this.#file.write(frame, this.#endBytes);
    } catch (cause) {
      await this.#undo(cause);
      throw this.#error('write', cause);
    }
    try {
      await this.#file.datasync();
    } catch (cause) {
      throw this.#fail('sync', cause);
    }
    this.#endBytes += frame.length;
  }

  /** A write that failed may have left a part: without a cut, a shorter frame written later would end in it. */
  async #undo(cause: unknown): Promise<void> {
    try {
      await this.#file.truncate(this.#endBytes);
    } catch {
      throw this.#fail('cut', cause);
    }
  }

  async #rewrite(records: readonly T[]): Promise<void> {
    this.#throwIfFailed();
    await this.#takeOver(await this.#writeFresh(records, this.#endBytes));
  }

  /** The new file gets what was appended since it was written, and the name. No append is under way. */
  async #takeOver(written: Fresh): Promise<void> {
    const fresh = await this.#complete(written);
    try {
      await this.#disk.rename(this.#path + REWRITE_SUFFIX, this.#path);
      await this.#disk.syncDirectory(dirname(this.#path));
    } catch (cause) {
      // Either file may have the name now: appends to one of them could be lost.
      await fresh.file.close();
      throw this.#fail('rename', cause);
    }
    const old = this.#file;
    this.#file = fresh.file;
    this.#endBytes = fresh.endBytes;
    await old.close();
  }

  async #complete(fresh: Fresh): Promise<Fresh> {
    try {
      this.#throwIfFailed();
      return fresh.copiedToBytes === this.#endBytes ? fresh : await this.#copyTo(fresh);
    } catch (cause) {
      await fresh.file.close();
      throw this.#failure ?? this.#error('rewrite', cause);
    }
  }

  /** Writes the records and what the old file has from a position on. */
  async #writeFresh(records: readonly T[], fromBytes: number): Promise<Fresh> {
    const path = this.#path + REWRITE_SUFFIX;
    await this.#disk.remove(path);
    const file = await this.#disk.open(path, 'create');
    try {
      const frames = records.length === 0 ? new Uint8Array(0) : encodeFrame(encodeMessagePack(records), crc32);
      await file.write(JOURNAL_HEADER, 0);
      await file.write(frames, JOURNAL_HEADER.length);
      return await this.#copyTo({ file, endBytes: JOURNAL_HEADER.length + frames.length, copiedToBytes: fromBytes });
    } catch (cause) {
      await file.close();
      throw this.#error('rewrite', cause);
    }
  }

  /** Copies the appends that are durable by now and makes the new file durable. */
  async #copyTo({ file, endBytes, copiedToBytes }: Fresh): Promise<Fresh> {
    const untilBytes = this.#endBytes;
    const part = new Uint8Array(Math.min(COPY_BYTES, untilBytes - copiedToBytes));
    for (let at = copiedToBytes; at < untilBytes; at += part.length) {
      const wanted = part.subarray(0, untilBytes - at);
      if ((await this.#file.read(wanted, at)) < wanted.length) throw new Error(`it has no byte ${untilBytes - 1}`);
      await file.write(wanted, endBytes + at - copiedToBytes);
    }
    await file.datasync();
    return { file, endBytes: endBytes + untilBytes - copiedToBytes, copiedToBytes: untilBytes };
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(operation: string, cause: unknown): OperationError {
    this.#failure = this.#error(operation, cause);
    return this.#failure;
  }

  #error(operation: string, cause: unknown): OperationError {
    const at = `${operation} of the journal ${this.#path} at byte ${this.#endBytes}`;
    const remedy = isFull(cause) ? 'Make room on the disk.' : 'Look at the disk, then restart the daemon.';
    return new OperationError('JOURNAL_FAILED', `${at} failed: ${messageOf(cause)}`, { remedy, cause });
  }
}
