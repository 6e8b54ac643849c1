// Reads of many files' pieces in few system calls: what the page cache has comes at once, what it has not beside everything
// else, without a thread for each. Where the kernel allows no io_uring there is none of this.
import koffi from 'koffi';
import { addressOf } from '../native-memory.ts';
import { IoRing } from './io-ring.ts';
import { LARGE_BYTES, LaterReads, type Others } from './later-reads.ts';

/** Requests of one client's chunk: QEMU has 16 under way, fio what it is told. */
const ENTRIES = 256;

/** In place of a count of bytes: some of it is not in the page cache. */
export const NOT_AT_ONCE = -(koffi.os.errno.EAGAIN ?? 0);

/** Reads of files by their descriptors, many at once. Offsets and lengths in bytes. */
export interface BatchReads {
  /** A read of at least so much is done beside this thread by `readLater`, even if the page cache has it. */
  readonly largeBytes: number;
  /** Whether `add` may be called before the next `run`. */
  readonly hasRoom: boolean;
  /** One read of what is in the page cache, into `into` from `at` on, which stays until `run`: its place among the outcomes. */
  add(fd: number, offset: number, into: Uint8Array, at: number, bytes: number): number;
  /** Does all reads that were added. */
  run(): void;
  /** Of a read of the last `run`: how many bytes there were, fewer where the cache or the file ends, or an error below 0. */
  outcome(place: number): number;
  /** For the next `begin`, of what may have to come from the disk; `done` is told by `land`, as `outcome` says. */
  readLater(fd: number, offset: number, into: Uint8Array, done: (outcome: number) => void): void;
  /**
   * Hands over what is to be read later, as much of it at once as is good for the others. Whether some of it was in the
   * page cache.
   */
  begin(others: Others): boolean;
}

/** The reads of one thread. */
export class FileReads implements BatchReads {
  readonly largeBytes = LARGE_BYTES;
  readonly #ring: IoRing;
  readonly #later: LaterReads;
  readonly #outcomes = new Int32Array(ENTRIES);
  readonly #tell = (place: number, outcome: number): void => {
    this.#outcomes[place] = outcome;
  };
  #count = 0;

  private constructor(ring: IoRing, later: LaterReads) {
    this.#ring = ring;
    this.#later = later;
  }

  /** Undefined where the kernel has nothing of the kind for this process (`fileReads`). */
  static open(): FileReads | undefined {
    const ring = IoRing.open(ENTRIES, ENTRIES);
    const later = ring === undefined ? undefined : LaterReads.open(NOT_AT_ONCE);
    return ring === undefined || later === undefined ? undefined : new FileReads(ring, later);
  }

  get hasRoom(): boolean {
    return this.#ring.room > 0;
  }

  add(fd: number, offset: number, into: Uint8Array, at: number, bytes: number): number {
    this.#ring.readCached({ fd, offset, address: addressOf(into) + at, bytes }, this.#count);
    return this.#count++;
  }

  run(): void {
    this.#outcomes.fill(NOT_AT_ONCE, 0, this.#count);
    this.#count = 0;
    // What the kernel would not take is as if it were not in the page cache.
    this.#ring.submit();
    this.#ring.takeDone(this.#tell);
  }

  outcome(place: number): number {
    return this.#outcomes[place] ?? NOT_AT_ONCE;
  }

  readLater(fd: number, offset: number, into: Uint8Array, done: (outcome: number) => void): void {
    this.#later.add(fd, offset, into, done);
  }

  begin(others: Others): boolean {
    return this.#later.begin(others);
  }

  /** Tells whoever's reads have ended: how many. The event loop does it too; nobody may be in the middle of a step. */
  land(): number {
    return this.#later.land();
  }
}

let opened: { readonly reads: FileReads | undefined } | undefined;

/** This thread's; undefined where the kernel has nothing of the kind for this process. */
export function fileReads(): FileReads | undefined {
  opened ??= { reads: FileReads.open() };
  return opened.reads;
}
