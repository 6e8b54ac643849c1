// Disks of other formats, in and out. A file that comes in is opened once, inspected, and read by the sandboxed program
// through this daemon only; an image that goes out is read in the same way. What fails half-way leaves no file.
import { rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Disk, DiskFile } from '../../common/disk/disk.ts';
import { type DiskRoom, diskRoom } from '../../common/disk/disk-room.ts';
import { codeOf, OperationError } from '../../common/errors.ts';
import type { ExportFormat, ImageFormat } from '../../wire/contracts/blockd.ts';
import type { ImageExport, Serve } from '../image/served-image.ts';
import type { StillImage } from '../image/still-image.ts';
import type { NbdDevice } from '../nbd/nbd-device.ts';
import { type ForeignBytes, refused } from './foreign-bytes.ts';
import { type DiskFormat, inspect, recognise } from './image-format.ts';
import { diskInOva } from './ova-archive.ts';
import { check, convert, measure } from './qemu-img.ts';
import { deviceOfFile, deviceOfImage } from './read-only-device.ts';

const MIB = 2 ** 20;
/** By the operating system's codes. */
const NOT_TO_BE_HAD: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or directory',
  ENOTDIR: 'a part of the path is no directory',
  EACCES: 'that is not allowed',
  EPERM: 'that is not allowed',
  EROFS: 'its file system is read only',
  ELOOP: 'its links go round',
  ENAMETOOLONG: 'its name is too long',
};
/** A full disk stops every guest of the node: an import leaves them this. */
const ROOM_KEPT_BYTES = 64 * MIB;

type Progress = (doneBytes: number, totalBytes: number) => void;

/** A disk file that was recognised and inspected, open. */
export interface ForeignDisk {
  readonly format: DiskFormat;
  /** The disk's size. */
  readonly bytes: number;
  readonly content: ForeignBytes;
  close(): Promise<void>;
}

/** One way of a disk, in or out; the path is of the file that is written. */
export interface Conversion {
  readonly path: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface ConverterParts {
  readonly disk: Disk;
  readonly serve: Serve;
  /** The room of the file system that a directory lies on; the real one unless a test says otherwise. */
  readonly room?: (directory: string) => Promise<DiskRoom>;
}

export class Converter {
  readonly #disk: Disk;
  readonly #serve: Serve;
  readonly #room: (directory: string) => Promise<DiskRoom>;
  #exports = 0;

  constructor({ disk, serve, room = diskRoom }: ConverterParts) {
    this.#disk = disk;
    this.#serve = serve;
    this.#room = room;
  }

  /** Opens a stranger's file; the caller closes it. @throws OperationError IMAGE_REFUSED, NO_FILE; Error of the disk */
  async open(path: string, insisted?: ImageFormat): Promise<ForeignDisk> {
    await refuseWhatWaits(path);
    const file = await this.#disk.open(path, 'read').catch((error: unknown) => {
      throw unreadable(path, error);
    });
    try {
      return await lookThrough(file, insisted);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Writes a stranger's disk as a raw file. @throws OperationError IMAGE_REFUSED, ENOSPC, CANCELLED, TOOL_MISSING */
  async bring(
    { format, bytes, content }: ForeignDisk,
    { image, path, progress, signal }: Conversion & { readonly image: string },
  ): Promise<void> {
    const name = `${image}.import`;
    await this.#during(deviceOfFile(content), name, content.bytes, async (socket) => {
      const source = { socket, name, from: format, signal };
      await check(source);
      await this.#checkRoom(dirname(path), await measure(source), ROOM_KEPT_BYTES);
      await this.#makeEmpty(path);
      await convert({ ...source, path, to: 'raw', progress: (share) => progress(Math.round(share * bytes), bytes) });
    });
  }

  /** The content of a raw disk, of which no part is read that has no room. What is read fails with ENOSPC then. */
  roomFor(content: ForeignBytes, directory: string): ForeignBytes {
    return {
      bytes: content.bytes,
      read: async (offset, length) => {
        await this.#checkRoom(directory, length, ROOM_KEPT_BYTES);
        return content.read(offset, length);
      },
    };
  }

  /** Writes an image to a new file. @throws OperationError FILE_EXISTS, NO_FILE, ENOSPC, CANCELLED, TOOL_MISSING */
  async take(image: StillImage, to: ExportFormat, { path, progress, signal }: Conversion): Promise<number> {
    // Several states of one image may go out at once, each on a socket of its own.
    const name = `${image.image}.export-${++this.#exports}`;
    const part = `${path}.part`;
    const unit = to === 'vhd' ? MIB : 1;
    const bytes = Math.ceil(image.bytes / unit) * unit;
    await this.#refuseExisting(path);
    try {
      await this.#makeEmpty(part).catch((error: unknown) => {
        throw unwritable(path, error);
      });
      await this.#during(deviceOfImage(image), name, bytes, async (socket) => {
        await this.#checkRoom(dirname(path), to === 'vhd' ? bytes : 0, 0);
        const tell = (share: number): void => progress(Math.round(share * bytes), bytes);
        await convert({ socket, name, from: 'raw', path: part, to, progress: tell, signal });
      });
      await this.#settle(part, path);
    } finally {
      await rm(part, { force: true });
    }
    return bytes;
  }

  async #during(
    device: NbdDevice,
    name: string,
    bytes: number,
    work: (socket: string) => Promise<void>,
  ): Promise<void> {
    const running: ImageExport = await this.#serve(device, name, bytes);
    try {
      await work(running.path);
    } finally {
      await running.close();
    }
  }

  async #makeEmpty(path: string): Promise<void> {
    const file = await this.#disk.open(path, 'write');
    try {
      await file.truncate(0);
    } finally {
      await file.close();
    }
  }

  /** The file is whole and durable before it has its name. */
  async #settle(part: string, path: string): Promise<void> {
    const file = await this.#disk.open(part, 'write');
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(part, path);
    await this.#disk.syncDirectory(dirname(path));
  }

  async #checkRoom(directory: string, neededBytes: number, keptBytes: number): Promise<void> {
    const { freeBytes } = await this.#room(directory);
    if (neededBytes + keptBytes <= freeBytes) return;
    const kept = keptBytes === 0 ? '' : `, of which ${keptBytes} are kept for the guests`;
    throw new OperationError('ENOSPC', `the disk needs ${neededBytes} bytes and ${freeBytes} are free${kept}`, {
      remedy: 'Make room there, or choose another node or directory.',
    });
  }

  async #refuseExisting(path: string): Promise<void> {
    for (const name of [path, `${path}.part`]) {
      // A pipe would be opened when somebody writes to it.
      const isElse = await stat(name).then(
        (found) => !found.isFile(),
        () => false,
      );
      if (isElse) throw fileExists(name);
      const file = await this.#disk.open(name, 'read').catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw unwritable(path, error);
      });
      if (file === undefined) continue;
      await file.close();
      throw fileExists(name);
    }
  }
}

async function lookThrough(file: DiskFile, insisted: ImageFormat | undefined): Promise<ForeignDisk> {
  const whole = foreignBytes(file, await file.size());
  const outer = insisted ?? (await recognise(whole));
  const content = outer === 'ova' ? await diskInOva(whole) : whole;
  const format = outer === 'ova' ? await formatInOva(content) : outer;
  const bytes = format === 'raw' ? content.bytes : await inspect(content, format);
  return { format, bytes, content, close: () => file.close() };
}

/** An archive within an archive is no disk. */
async function formatInOva(disk: ForeignBytes): Promise<DiskFormat> {
  const format = await recognise(disk);
  if (format !== 'ova') return format;
  throw new OperationError('IMAGE_REFUSED', 'the file is refused: the disk in it is itself an archive', {
    remedy: 'Unpack it with tar.',
  });
}

function foreignBytes(file: DiskFile, bytes: number): ForeignBytes {
  return {
    bytes,
    async read(offset, length) {
      const into = Buffer.alloc(length);
      return into.subarray(0, await file.read(into, offset));
    },
  };
}

/** A pipe is opened when somebody writes to it, and every open file of this daemon would wait for that. @throws OperationError IMAGE_REFUSED */
async function refuseWhatWaits(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw unreadable(path, error);
  });
  if (found === undefined || found.isFile()) return;
  throw refused('it is no plain file', 'Copy it into one.');
}

function fileExists(name: string): OperationError {
  return new OperationError('FILE_EXISTS', `there is a file ${name} already`, { remedy: 'Choose another name.' });
}

function unreadable(path: string, cause: unknown): unknown {
  return cannot(`${path} cannot be read`, 'Name a file of that node; one that is elsewhere comes by --file -.', cause);
}

function unwritable(path: string, cause: unknown): unknown {
  return cannot(`${path} cannot be made`, 'Name a file of that node, in a directory that is there.', cause);
}

/** What a person named wrongly, or this daemon may not have; any other error stays what it is. */
function cannot(what: string, remedy: string, cause: unknown): unknown {
  const why = NOT_TO_BE_HAD[codeOf(cause) ?? ''];
  return why === undefined ? cause : new OperationError('NO_FILE', `${what} at this node: ${why}`, { remedy, cause });
}
