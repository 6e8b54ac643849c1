// Room that is kept on the disk for what makes some: where a disk is full, the record that an image is gone would not fit
// either. Whoever is quickest has what is given back; nothing else is promised of it.
import type { Disk } from '../../common/disk/disk.ts';
import { diskRoom } from '../../common/disk/disk-room.ts';
import { codeOf, OperationError } from '../../common/errors.ts';

/** LevelDB writes its log anew when it opens, 4 MiB at most, and each image's end is a record in a journal. */
const KEPT_BYTES = 8 * 2 ** 20;
/** Half of what is free at most: the rest is for the images. */
const FREE_BYTES_MIN = 2 * KEPT_BYTES;

/** A file that is only room. */
export class KeptRoom {
  readonly #disk: Disk;
  readonly #path: string;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** Takes the room, or has it; not where there is little, and nobody is told of that. */
  async keep(): Promise<void> {
    try {
      const file = await this.#disk.open(this.#path, 'write');
      try {
        if ((await file.size()) >= KEPT_BYTES) return;
        const { freeBytes } = await diskRoom(this.#path);
        if (freeBytes >= FREE_BYTES_MIN) await file.allocate(0, KEPT_BYTES);
      } finally {
        await file.close();
      }
    } catch {
      // A file system that cannot do it, or that is read only: then there is none.
    }
  }

  /** Does it, with this room if the disk has no other. @throws what the work throws; OperationError ENOSPC */
  async useFor<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC') throw error;
      await this.#disk.remove(this.#path);
      return await work().catch(noRoom);
    }
  }
}

function noRoom(error: unknown): never {
  if (error instanceof OperationError || codeOf(error) !== 'ENOSPC') throw error;
  throw new OperationError('ENOSPC', 'the disk is full, and has no room for the record of a change', {
    remedy: 'Make some room on it by other means, a MiB or two, and do it again.',
    cause: error,
  });
}
