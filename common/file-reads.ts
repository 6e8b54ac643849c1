// Reads of many files' pieces in few system calls: what the page cache has comes at once, what it has not beside everything
// else, without a thread for each. Where the kernel allows no io_uring there is none of this.
import { Socket } from 'node:net';
import koffi from 'koffi';
import { IoRing } from './io-ring.ts';
import { addressOf, systemError } from './native-memory.ts';

/** Requests of one client's chunk: QEMU has 16 under way, fio what it is told. */
const ENTRIES = 256;
/** Reads that wait for the disk; a disk that needs more in its queue to be busy is rare. */
const COLD_MAX = 128;
/** Room for all reads of both kinds. */
const DONE_ENTRIES = 1024;
const COLD_IDS_FROM = ENTRIES;
/** A look without having been woken, when the kernel was out of memory. */
const UNWOKEN_MS = 10;

const O_CLOEXEC = 0o2000000;
const libc = koffi.load('libc.so.6');
const callPipe = libc.func('int pipe2(uintptr_t fds, int flags)');

/** In place of a count of bytes: some of it is not in the page cache. */
export const NOT_AT_ONCE = -(koffi.os.errno.EAGAIN ?? 0);

interface ColdRead {
  readonly fd: number;
  readonly offset: number;
  /** Held here, so that its memory stays until the kernel has ended. */
  readonly into: Uint8Array;
  readonly done: (outcome: number) => void;
}

/** Reads of files by their descriptors, many at once. Offsets and lengths in bytes. */
export interface BatchReads {
  /** Whether `add` may be called before the next `run`. */
  readonly hasRoom: boolean;
  /** One read of what is in the page cache, into `into` from `at` on, which stays until `run`: its place among the outcomes. */
  add(fd: number, offset: number, into: Uint8Array, at: number, bytes: number): number;
  /** Does all reads that were added. */
  run(): void;
  /** Of a read of the last `run`: how many bytes there were, fewer where the cache or the file ends, or an error below 0. */
  outcome(place: number): number;
  /** Reads from the disk, beside everything else; `done` is told in a later turn, as `outcome` says. */
  readLater(fd: number, offset: number, into: Uint8Array, done: (outcome: number) => void): void;
}

/** The reads of one thread. */
export class FileReads implements BatchReads {
  readonly #ring: IoRing;
  readonly #pipe: number;
  readonly #waker: Socket;
  readonly #wake = Buffer.alloc(1);
  readonly #outcomes = new Int32Array(ENTRIES);
  readonly #cold: (ColdRead | undefined)[] = [];
  readonly #freeIds = Array.from({ length: COLD_MAX }, (_, index) => COLD_MAX - 1 - index);
  readonly #waiting: ColdRead[] = [];
  readonly #landed: (() => void)[] = [];
  #count = 0;
  #isSubmitQueued = false;

  private constructor(ring: IoRing) {
    this.#ring = ring;
    const [reader, writer] = openPipe();
    this.#pipe = writer;
    const onread = { buffer: Buffer.allocUnsafeSlow(2 * COLD_MAX), callback: () => this.#land() };
    this.#waker = new Socket({ fd: reader, readable: true, writable: false, onread });
    this.#waker.resume();
    this.#waker.unref();
  }

  /** Undefined where the kernel has nothing of the kind for this process (`fileReads`). */
  static open(): FileReads | undefined {
    const ring = IoRing.open(ENTRIES, DONE_ENTRIES);
    return ring === undefined ? undefined : new FileReads(ring);
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
    this.#takeDone();
  }

  outcome(place: number): number {
    return this.#outcomes[place] ?? NOT_AT_ONCE;
  }

  readLater(fd: number, offset: number, into: Uint8Array, done: (outcome: number) => void): void {
    this.#waiting.push({ fd, offset, into, done });
    if (this.#isSubmitQueued) return;
    this.#isSubmitQueued = true;
    // All that one turn asks for is handed over at once.
    queueMicrotask(() => {
      this.#isSubmitQueued = false;
      this.#beginCold();
    });
  }

  #beginCold(): void {
    const begun: number[] = [];
    for (let id = this.#freeIds.at(-1); id !== undefined && this.#ring.room >= 2; id = this.#freeIds.at(-1)) {
      const read = this.#waiting.shift();
      if (read === undefined) break;
      this.#freeIds.pop();
      this.#cold[id] = read;
      const { fd, offset, into } = read;
      const ringRead = { fd, offset, address: addressOf(into), bytes: into.length };
      this.#ring.readThenWake(ringRead, COLD_IDS_FROM + id, this.#pipe, addressOf(this.#wake));
      begun.push(id);
    }
    if (begun.length === 0) return;
    this.#waker.ref();
    this.#giveUp(begun, this.#ring.submit());
  }

  /** The kernel would not take so many of the last entries, of two to each read. */
  #giveUp(begun: readonly number[], refused: number): void {
    if (refused === 0) return;
    // A read without the entry that wakes goes on by itself.
    for (const id of begun.slice(begun.length - Math.floor(refused / 2))) this.#endCold(id, NOT_AT_ONCE);
    setTimeout(() => this.#land(), UNWOKEN_MS);
  }

  #takeDone(): void {
    this.#ring.takeDone((id, outcome) => {
      if (id < COLD_IDS_FROM) this.#outcomes[id] = outcome;
      else this.#endCold(id - COLD_IDS_FROM, outcome);
    });
  }

  /** Told in the waker's turn: this one may be in the middle of somebody's step. */
  #endCold(id: number, outcome: number): void {
    const read = this.#cold[id];
    this.#cold[id] = undefined;
    this.#freeIds.push(id);
    if (read !== undefined) this.#landed.push(() => read.done(outcome));
  }

  #land(): boolean {
    this.#takeDone();
    for (const tell of this.#landed.splice(0)) tell();
    this.#beginCold();
    if (this.#freeIds.length === COLD_MAX) this.#waker.unref();
    return true;
  }
}

let opened: { readonly reads: FileReads | undefined } | undefined;

/** This thread's; undefined where the kernel has nothing of the kind for this process. */
export function fileReads(): FileReads | undefined {
  opened ??= { reads: FileReads.open() };
  return opened.reads;
}

function openPipe(): [reader: number, writer: number] {
  const fds = new Int32Array(2);
  if (callPipe(addressOf(fds), O_CLOEXEC) !== 0) throw systemError('pipe2', 'to be woken by');
  return [fds[0] ?? 0, fds[1] ?? 0];
}
