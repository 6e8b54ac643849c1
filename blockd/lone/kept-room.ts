// Room that is kept on the disk for what makes some: where a disk is full, the record that an image is gone would not fit
// either. Whoever is quickest has what is given back; nothing else is promised of it.
import { dirname } from 'node:path';
import type { Disk } from '../../common/disk/disk.ts';
import { type DiskRoom, diskRoom, isFull } from '../../common/disk/disk-room.ts';
import { OperationError } from '../../common/errors.ts';

/** LevelDB writes its log anew when it opens, 4 MiB at most, and each image's end is a record in a journal. */
const KEPT_BYTES = 8 * 2 ** 20;
/** A quarter of what is free at most, unless it was kept before: the rest is for the images. */
const FREE_PARTS = 4;

/** The file system has to note what it gives. */
const SPARED_BYTES = 256 * 1024;

/** A file that is only room. */
export class KeptRoom {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #room: (path: string) => Promise<DiskRoom>;
  /** What was given back is taken again first. */
  #givenBytes = 0;

  constructor(disk: Disk, path: string, room = diskRoom) {
    this.#disk = disk;
    this.#path = path;
    this.#room = room;
  }

  /** Takes as much of it as there should be now, beside what it has. Never rejects: where it cannot be kept there is none. */
  async keep(): Promise<void> {
    try {
      const file = await this.#disk.open(this.#path, 'write');
      try {
        const heldBytes = await file.size();
        const { freeBytes } = await this.#room(this.#path);
        const fairBytes = Math.min(KEPT_BYTES - heldBytes, Math.floor(freeBytes / FREE_PARTS));
        const more = Math.max(0, fairBytes, Math.min(this.#givenBytes - heldBytes, freeBytes - SPARED_BYTES));
        if (more > 0) await file.allocate(0, heldBytes + more);
      } finally {
        await file.close();
      }
    } catch {
      // A file system that cannot do it, that is read only, or that somebody else has just filled.
    }
  }

  /** Before a start on a disk that is all but full: what the start writes has this room. Never rejects. */
  async giveIfFull(): Promise<void> {
    try {
      const { freeBytes } = await this.#room(dirname(this.#path));
      if (freeBytes < KEPT_BYTES) await this.#give();
    } catch {
      // What the start writes itself will say what is wrong with the disk.
    }
  }

  /** Does it, with this room if the disk has no other. @throws what the work throws; OperationError ENOSPC */
  async useFor<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isFull(error)) throw error;
      await this.#give().catch(() => noRoom(error));
      return await work().catch(noRoom);
    }
  }

  async #give(): Promise<void> {
    const file = await this.#disk.open(this.#path, 'write');
    try {
      this.#givenBytes = Math.max(this.#givenBytes, await file.size());
      await file.truncate(0);
    } finally {
      await file.close();
    }
  }
}

function noRoom(error: unknown): never {
  if (error instanceof OperationError || !isFull(error)) throw error;
  throw new OperationError('ENOSPC', 'the disk is full, and has no room for the record of a change', {
    remedy: 'Make some room on it by other means, a MiB or two, and do it again.',
    cause: error,
  });
}
