// The disk of a simulated node under a real store: the crash tests' disk, with the time that its operations take. What a
// daemon asked for dies with it; what its disk had taken stays.
import type { Disk, DiskFile, OpenMode } from '../../common/disk/disk.ts';
import type { CrashDisk } from '../crash/crash-disk.ts';
import { replaceBySteps } from '../crash/replaced-file.ts';
import type { Prng } from './prng.ts';
import type { SimProcess } from './process.ts';

const STEP_MS_MIN = 0.05;
const STEP_MS_MAX = 2;
/** How often what is read is not in the page cache. */
const COLD_CHANCE = 0.1;

/** How the disk behaves now; a fault changes it. */
export interface DiskManner {
  /** Every operation takes so many times as long. */
  slowness: number;
}

/** A disk as one life of a daemon sees it. */
export class TimedDisk implements Disk {
  readonly #inner: CrashDisk;
  readonly #process: SimProcess;
  readonly #life: number;
  readonly #prng: Prng;
  readonly #manner: DiskManner;

  constructor(inner: CrashDisk, process: SimProcess, prng: Prng, manner: DiskManner) {
    this.#inner = inner;
    this.#process = process;
    this.#life = process.life;
    this.#prng = prng;
    this.#manner = manner;
  }

  get kernelRun(): string {
    return this.#inner.kernelRun;
  }

  open(path: string, mode: OpenMode): Promise<DiskFile> {
    return this.#later(async () => this.#file(await this.#inner.open(path, mode)));
  }

  readWhole(path: string): Promise<Uint8Array> {
    return this.#later(() => this.#inner.readWhole(path));
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    return replaceBySteps(this, path, bytes);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#later(() => this.#inner.rename(from, to));
  }

  dropCached(path: string): Promise<void> {
    return this.#inner.dropCached(path);
  }

  remove(path: string): Promise<void> {
    return this.#later(() => this.#inner.remove(path));
  }

  list(directory: string): Promise<string[]> {
    return this.#later(() => this.#inner.list(directory));
  }

  makeDirectory(): Promise<void> {
    return this.#later(() => this.#inner.makeDirectory());
  }

  syncDirectory(directory: string): Promise<void> {
    return this.#later(() => this.#inner.syncDirectory(directory));
  }

  #file(inner: DiskFile): DiskFile {
    const { path } = inner;
    return {
      path,
      read: (buffer, offset) => this.#later(() => inner.read(buffer, offset)),
      write: (buffer, offset) => this.#later(() => inner.write(buffer, offset)),
      readSync: (buffer, offset) => inner.readSync(buffer, offset),
      tryReadSync: (buffer, offset) => (this.#prng.chance(COLD_CHANCE) ? undefined : inner.tryReadSync(buffer, offset)),
      warm: (offset, bytes) => this.#later(() => inner.warm(offset, bytes)),
      writeSync: (buffer, offset) => {
        // A daemon that was killed in the middle of a step writes nothing more.
        if (this.#isAlive()) inner.writeSync(buffer, offset);
      },
      datasync: () => this.#later(() => inner.datasync()),
      allocate: (offset, bytes) => this.#later(() => inner.allocate(offset, bytes)),
      punch: (offset, bytes) => this.#later(() => inner.punch(offset, bytes)),
      truncate: (bytes) => this.#later(() => inner.truncate(bytes)),
      size: () => this.#later(() => inner.size()),
      close: () => this.#later(() => inner.close()),
    };
  }

  /** Done after a while, or never when the daemon dies before. */
  #later<T>(act: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.#isAlive()) return;
      const delayMs = this.#prng.between(STEP_MS_MIN, STEP_MS_MAX) * this.#manner.slowness;
      this.#process.after(delayMs, () => void act().then(resolve, reject));
    });
  }

  #isAlive(): boolean {
    return this.#process.life === this.#life && !this.#process.isDown;
  }
}
