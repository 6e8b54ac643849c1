// Files and directories as a part that can be handed in: the simulation has another that loses and tears writes.
// Nothing here retries and nothing is durable until datasync (and, for names, syncDirectory) has answered.
import { constants, readFileSync, readSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../errors.ts';
import { NOT_CACHED, NOT_TOLD, readCached } from './cached-read.ts';
import { writeCached } from './cached-write.ts';
import { coldReads } from './cold-reads.ts';
import { allocateRange, punchRange } from './fallocate.ts';
import { dropCached } from './page-cache.ts';

/** Offsets and sizes in bytes. Errors carry the operating system's code (`ENOSPC`, `EIO`, `ENOENT`). */
export interface DiskFile {
  readonly path: string;
  /** Of a real file: for those who call the kernel themselves. */
  readonly descriptor?: number;
  /** Fills the buffer from the offset; answers how many bytes there were, fewer only at the file's end. */
  read(buffer: Uint8Array, offset: number): Promise<number>;
  /** Writes the whole buffer, or fails. */
  write(buffer: Uint8Array, offset: number): Promise<void>;
  /** As `read`, on this thread, which waits for the disk where it has to. */
  readSync(buffer: Uint8Array, offset: number): number;
  /** As `readSync`, but never waits: undefined when some of it is not in the page cache, and the buffer means nothing. */
  tryReadSync(buffer: Uint8Array, offset: number): number | undefined;
  /** Reads a range into the page cache. How many of these wait for the disk at once is limited; the others queue. */
  warm(offset: number, bytes: number): Promise<void>;
  /** As `write`, on this thread: into the page cache. */
  writeSync(buffer: Uint8Array, offset: number): void;
  /** What was written before the call is on the disk after the answer, size included. */
  datasync(): Promise<void>;
  /** Reserves the range, so that a later write into it cannot meet ENOSPC. */
  allocate(offset: number, bytes: number): Promise<void>;
  /** Gives the range back; it reads as zeros. */
  punch(offset: number, bytes: number): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** How a file is opened: `read` needs it to be there, `write` makes it where missing, `create` refuses an old one. */
export type OpenMode = 'read' | 'write' | 'create';

/** A tree of files. Paths are absolute. */
export interface Disk {
  /**
   * Names the run of the kernel that holds this disk's page cache: while it is the same, what a process wrote is there,
   * synced or not, however the process ended.
   */
  readonly kernelRun: string;
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  readWhole(path: string): Promise<Uint8Array>;
  /** Writes a file whole or not at all, durably, under its name (new file, rename, directory). `mode` as in chmod. */
  replace(path: string, bytes: Uint8Array, mode?: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /**
   * What the page cache has of a file, and is not still to be written, is read from the disk again: after a failed sync the
   * kernel takes for written what the disk never got, and shows it.
   */
  dropCached(path: string): Promise<void>;
  /** Removing what is not there is nothing. */
  remove(path: string): Promise<void>;
  /** Names in a directory, sorted. */
  list(directory: string): Promise<string[]>;
  /** Makes a directory and the ones above it, where missing, for this user only. */
  makeDirectory(directory: string): Promise<void>;
  /** Names made, renamed and removed in this directory before the call are durable after the answer. */
  syncDirectory(directory: string): Promise<void>;
}

const FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR | constants.O_CREAT,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
} as const satisfies Record<OpenMode, number>;

/** Images, journals and keys are nobody else's business. */
const PRIVATE_FILE = 0o600;
const PRIVATE_DIRECTORY = 0o700;

/**
 * What one call writes at most. The kernel keeps what came with one call in one folio of up to 2 MiB (ext4 since Linux
 * 6.16), and each later write looks at all blocks of the folio that it changes: 4 KiB then take 5 to 10 us, not 2.
 */
const WRITE_BYTES = 64 * 1024;

/** What is read only to be in the page cache goes here; nobody looks at it. */
const warmed = Buffer.allocUnsafeSlow(256 * 1024);

class RealFile implements DiskFile {
  readonly path: string;
  readonly #handle: FileHandle;
  /** Whether its file system can say what is cached (tmpfs and network file systems may not). */
  #tells = true;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  get descriptor(): number {
    return this.#handle.fd;
  }

  async read(buffer: Uint8Array, offset: number): Promise<number> {
    let done = 0;
    while (done < buffer.length) {
      const { bytesRead } = await this.#handle.read(buffer, done, buffer.length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(buffer: Uint8Array, offset: number): Promise<void> {
    let done = 0;
    while (done < buffer.length) {
      const { bytesWritten } = await this.#handle.write(buffer, done, buffer.length - done, offset + done);
      done += bytesWritten;
    }
  }

  readSync(buffer: Uint8Array, offset: number): number {
    let done = 0;
    while (done < buffer.length) {
      const bytesRead = readSync(this.#handle.fd, buffer, done, buffer.length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  tryReadSync(buffer: Uint8Array, offset: number): number | undefined {
    if (!this.#tells) return this.readSync(buffer, offset);
    const had = readCached(this.#handle.fd, buffer, offset);
    if (had === buffer.length) return had;
    if (had === NOT_CACHED) return undefined;
    this.#tells = had !== NOT_TOLD;
    return this.#tells ? this.#tryReadRest(buffer, offset, had) : this.readSync(buffer, offset);
  }

  /** A short read ends at the file's end, or where the cache does. */
  #tryReadRest(buffer: Uint8Array, offset: number, had: number): number | undefined {
    let done = had;
    while (done < buffer.length) {
      const more = readCached(this.#handle.fd, buffer.subarray(done), offset + done);
      if (more === 0) break;
      if (more < 0) return undefined;
      done += more;
    }
    return done;
  }

  /** Node closes the file only after the reads that have begun. */
  warm(offset: number, bytes: number): Promise<void> {
    return coldReads.run(async () => {
      for (let done = 0; done < bytes; ) {
        const wanted = Math.min(warmed.length, bytes - done);
        const { bytesRead } = await this.#handle.read(warmed, 0, wanted, offset + done);
        if (bytesRead === 0) return;
        done += bytesRead;
      }
    });
  }

  writeSync(buffer: Uint8Array, offset: number): void {
    let done = 0;
    while (done < buffer.length) {
      const wanted = Math.min(WRITE_BYTES, buffer.length - done);
      done += writeCached(this.#handle.fd, buffer, done, wanted, offset + done);
    }
  }

  datasync(): Promise<void> {
    return this.#handle.datasync();
  }

  allocate(offset: number, bytes: number): Promise<void> {
    return allocateRange(this.#handle.fd, offset, bytes);
  }

  punch(offset: number, bytes: number): Promise<void> {
    return punchRange(this.#handle.fd, offset, bytes);
  }

  truncate(bytes: number): Promise<void> {
    return this.#handle.truncate(bytes);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Ends the name of what is being made, beside what it is to be: a crash may leave it. */
export const UNFINISHED = '.new';

/** The machine's file system. */
export const realDisk: Disk = {
  get kernelRun() {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  },
  async open(path, mode) {
    return new RealFile(path, await open(path, FLAGS[mode], PRIVATE_FILE));
  },
  readWhole: (path) => readFile(path),
  replace: replaceFile,
  rename,
  dropCached,
  remove: (path) => rm(path, { force: true }),
  list: async (directory) => (await readdir(directory)).sort(),
  makeDirectory,
  syncDirectory,
};

/**
 * With those above it. Not mkdir's own `recursive`, which tries for ever where a file system has no room for names and says
 * that there is no such file, as /proc does.
 */
async function makeDirectory(directory: string): Promise<void> {
  if (await makeOne(directory)) return;
  await makeDirectory(dirname(directory));
  await mkdir(directory, PRIVATE_DIRECTORY).catch((error: unknown) => settleExisting(directory, error));
}

/** Whether it is there now; not while the one above it is missing. */
async function makeOne(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, PRIVATE_DIRECTORY);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && dirname(directory) !== directory) return false;
    await settleExisting(directory, error);
  }
  return true;
}

async function settleExisting(directory: string, error: unknown): Promise<void> {
  if (codeOf(error) !== 'EEXIST' || !(await stat(directory)).isDirectory()) throw error;
}

async function replaceFile(path: string, bytes: Uint8Array, mode: number = PRIVATE_FILE): Promise<void> {
  const fresh = `${path}${UNFINISHED}`;
  await rm(fresh, { force: true });
  try {
    const handle = await open(fresh, FLAGS.create, mode);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, path);
  } catch (error) {
    // A disk that is full does not stay so for what nobody reads.
    await rm(fresh, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
