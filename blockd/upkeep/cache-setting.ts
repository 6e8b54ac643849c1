// The cap on what is only cached, as somebody set it while the daemon ran: it holds over restarts, and before that what the
// configuration says.
import { Type } from '#typebox';
import type { Disk } from '../../common/disk/disk.ts';
import { CacheCapBytes } from '../../wire/contracts/cache.ts';
import { StateFile } from '../image/state-file.ts';

const Setting = Type.Object({ capBytes: CacheCapBytes });

/** One store's cap. */
export class CacheSetting {
  readonly #file: StateFile<typeof Setting>;
  #capBytes: number | null;

  /** `configured`: undefined is no cap. */
  constructor(disk: Disk, path: string, configured: number | undefined) {
    this.#file = new StateFile(disk, path, Setting);
    this.#capBytes = configured ?? null;
  }

  /** Reads what an earlier process was told. */
  async load(): Promise<void> {
    const set = await this.#file.read();
    if (set !== undefined) this.#capBytes = set.capBytes;
  }

  /** Null: none. */
  get capBytes(): number | null {
    return this.#capBytes;
  }

  /** Durable with the answer. @throws Error of the disk, and then it is as before */
  async set(capBytes: number | null): Promise<void> {
    await this.#file.write({ capBytes });
    this.#capBytes = capBytes;
  }
}
