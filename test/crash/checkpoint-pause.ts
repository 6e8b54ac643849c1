// Lets a checkpoint stop after so many of its own disk steps, while everything else on the disk goes on. Not a test itself.
import type { DiskFile } from '../../common/disk/disk.ts';
import type { CrashDisk } from './crash-disk.ts';

/** The files that only a checkpoint makes, renames and removes. */
const CHECKPOINT_FILE = /[.]table-|[.]rewrite/;

/** Stops the checkpoints of a disk from now on. */
export class CheckpointPause {
  readonly #disk: CrashDisk;
  readonly #original: Pick<CrashDisk, 'open' | 'rename' | 'remove' | 'syncDirectory'>;
  readonly #resumed = Promise.withResolvers<void>();
  #stepsLeft: number;

  constructor(disk: CrashDisk, afterSteps: number) {
    const { open, rename, remove, syncDirectory } = disk;
    this.#disk = disk;
    this.#stepsLeft = afterSteps;
    this.#original = { open, rename, remove, syncDirectory };
    disk.open = async (path, mode) => {
      if (!CHECKPOINT_FILE.test(path)) return open.call(disk, path, mode);
      await this.#turn();
      return this.#slow(await open.call(disk, path, mode));
    };
    disk.rename = (from, to) => this.#turn().then(() => rename.call(disk, from, to));
    disk.syncDirectory = (path) => this.#turn().then(() => syncDirectory.call(disk, path));
    disk.remove = async (path) => {
      if (CHECKPOINT_FILE.test(path)) await this.#turn();
      await remove.call(disk, path);
    };
  }

  /** Whether the checkpoint has come to its stop. */
  get isReached(): boolean {
    return this.#stepsLeft < 0;
  }

  /** What stands still goes on, and nothing stops any more. */
  resume(): void {
    this.abandon();
    this.#resumed.resolve();
  }

  /** What stands still stands for ever: its process was killed. Nothing else stops. */
  abandon(): void {
    Object.assign(this.#disk, this.#original);
    this.#stepsLeft = Number.POSITIVE_INFINITY;
  }

  #slow(file: DiskFile): DiskFile {
    return {
      ...file,
      write: (bytes, offset) => this.#turn().then(() => file.write(bytes, offset)),
      datasync: () => this.#turn().then(() => file.datasync()),
    };
  }

  async #turn(): Promise<void> {
    if (this.#stepsLeft-- <= 0) await this.#resumed.promise;
  }
}
