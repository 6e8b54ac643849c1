// A disk in memory that keeps every write and every flush in their order, and can be made again as a power cut between any
// two of them may have left it. Not a test itself.
import type { NbdDevice } from '../../blockd/nbd/nbd-device.ts';
import type { Prng } from '../sim/prng.ts';

const SECTOR_BYTES = 512;
/** A kernel writes pages; a disk loses whole ones more often than it tears one. */
const PAGE_BYTES = 4096;
const TORN_CHANCE = 0.1;

/** One step of the log; a flush makes everything before it durable, a write with `fua` is so by itself. */
export type DiskStep = { readonly offset: number; readonly data: Buffer; readonly fua: boolean } | 'flush';

/** The disk as its users see it, with its log. */
export class RecordedDisk implements NbdDevice {
  readonly bytes: number;
  readonly log: DiskStep[] = [];
  readonly hasStatus = true;
  readonly #content: Buffer;

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#content = Buffer.alloc(bytes);
  }

  tryRead(offset: number, into: Uint8Array): boolean {
    return this.readNow(offset, into);
  }

  tryBeginRead(): boolean {
    return true;
  }

  readNow(offset: number, into: Uint8Array): boolean {
    this.#content.copy(into, 0, offset, offset + into.length);
    return true;
  }

  async makeReadable(): Promise<void> {
    // Everything is.
  }

  write(offset: number, data: Uint8Array, fua: boolean): undefined {
    this.#content.set(data, offset);
    this.log.push({ offset, data: Buffer.from(data), fua });
  }

  zero(offset: number, length: number, fua: boolean): undefined {
    this.write(offset, Buffer.alloc(length), fua);
  }

  trim(offset: number, length: number): undefined {
    this.write(offset, Buffer.alloc(length), false);
  }

  cache(): undefined {
    // Everything is.
  }

  flush(): undefined {
    this.log.push('flush');
  }

  async untilStatus(): Promise<void> {
    // It is there.
  }

  statusOf(): number {
    return 0;
  }

  endOfStatus(_kind: string, _offset: number, end: number): number {
    return end;
  }
}

/** Goes through a log from its start and shows what cuts leave; the positions asked for may not go back. */
export class CutDisk {
  readonly #log: readonly DiskStep[];
  /** The disk after the last flush before `#at`. */
  readonly #durable: Buffer;
  #at = 0;

  constructor(bytes: number, log: readonly DiskStep[]) {
    this.#log = log;
    this.#durable = Buffer.alloc(bytes);
  }

  /**
   * The disk after a cut when the first `position` steps of the log had been asked for: everything up to the last flush,
   * and of the writes since then some pages, some of them torn.
   */
  after(position: number, prng: Prng): Buffer {
    const flushed = this.#log.lastIndexOf('flush', position - 1) + 1;
    for (; this.#at < flushed; this.#at++) apply(this.#durable, this.#log[this.#at]);
    return afterCut(this.#durable, this.#log.slice(flushed, position), prng);
  }
}

/** A disk after a cut: what was durable, and of what was written since then some pages, some of them torn. */
export function afterCut(durable: Buffer, since: readonly DiskStep[], prng: Prng): Buffer {
  const disk = Buffer.from(durable);
  const keeps = prng.pick([0, 1, 0.5, 0.9, 0.1]);
  for (const step of since) {
    if (step === 'flush') continue;
    for (let at = 0; at < step.data.length; at += PAGE_BYTES) {
      if (!step.fua && !prng.chance(keeps)) continue;
      const page = step.data.subarray(at, at + PAGE_BYTES);
      const isTorn = !step.fua && keeps < 1 && prng.chance(TORN_CHANCE);
      const kept = isTorn ? SECTOR_BYTES * prng.integer(page.length / SECTOR_BYTES) : page.length;
      page.copy(disk, step.offset + at, 0, kept);
    }
  }
  return disk;
}

export function apply(disk: Buffer, step: DiskStep | undefined): void {
  if (step !== undefined && step !== 'flush') step.data.copy(disk, step.offset);
}
