// io_uring(7) as far as reads of files need it: entries are laid into the kernel's queue, one system call hands all of them
// over, and what is done stands in memory. Linux 6.1 has all that is used here. It knows no file and no buffer.
import koffi from 'koffi';
import { addressOf, systemError } from '../native-memory.ts';

// linux/io_uring.h; the numbers of the system calls are the same on all machines.
const SYS_SETUP = 425;
const SYS_ENTER = 426;
const SYS_REGISTER = 427;
const REGISTER_EVENT = 4;
const SETUP_CQSIZE = 1 << 3;
const SETUP_COOP_TASKRUN = 1 << 8;
const OFF_RINGS = 0;
const OFF_ENTRIES = 0x10000000;
const FEATURES = (1 << 0) | (1 << 11);
const ENTRY_WORDS = 16;
const DONE_WORDS = 4;
const WORD = 2 ** 32;

/** In `struct io_uring_params`, counted in words. */
const PARAMS_WORDS = 30;
const PARAM = { doneEntries: 1, flags: 2, features: 5, sqHead: 10, sqTail: 11, sqArray: 16, cqHead: 20, cqTail: 21 };
const PARAM_CQ_MASK = 22;
const PARAM_CQ_ENTRIES = 25;

const MAP_FAILED = 2n ** 64n - 1n;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;

const OP_READ = 22;
/** IOSQE_ASYNC, beside the operation in an entry's first word. */
const BY_WORKER = 1 << 12;
const RWF_NOWAIT = 0x08;

const libc = koffi.load('libc.so.6');
const callSetup = libc.func('long syscall(long number, uint32_t entries, uintptr_t params)');
const callEnter = libc.func(
  'long syscall(long number, int ring, uint32_t submit, uint32_t wait, uint32_t flags, uintptr_t mask, size_t bytes)',
);
const callRegister = libc.func('long syscall(long number, int ring, uint32_t what, uintptr_t with, uint32_t count)');
const callMmap = libc.func('void *mmap(uintptr_t at, size_t bytes, int protection, int flags, int fd, int64_t offset)');
/** It may be interrupted, or have no memory at this moment. */
const TRIES_MAX = 100;

/** What one read is. Address and length are in bytes, and name memory that stays until the read has ended. */
export interface RingRead {
  readonly fd: number;
  readonly offset: number;
  readonly address: number;
  readonly bytes: number;
}

/** One ring of so many entries, a power of two. It lives as long as the process. */
export class IoRing {
  readonly entries: number;
  readonly #fd: number;
  readonly #rings: Int32Array;
  readonly #queue: Uint32Array;
  readonly #at: { readonly tail: number; readonly doneHead: number; readonly doneTail: number; readonly done: number };
  readonly #doneMask: number;
  #tail = 0;
  #submitted = 0;
  #doneHead = 0;

  private constructor(entries: number, fd: number, params: Uint32Array) {
    this.entries = entries;
    this.#fd = fd;
    const word = (place: number): number => (params[place] ?? 0) / Int32Array.BYTES_PER_ELEMENT;
    const array = word(PARAM.sqArray);
    const done = word(PARAM_CQ_ENTRIES);
    const words = Math.max(array + entries, done + (params[PARAM.doneEntries] ?? 0) * DONE_WORDS);
    this.#rings = new Int32Array(mapped(fd, words * Int32Array.BYTES_PER_ELEMENT, OFF_RINGS));
    this.#queue = new Uint32Array(mapped(fd, entries * ENTRY_WORDS * Uint32Array.BYTES_PER_ELEMENT, OFF_ENTRIES));
    this.#at = { tail: word(PARAM.sqTail), doneHead: word(PARAM.cqHead), doneTail: word(PARAM.cqTail), done };
    this.#doneMask = this.#rings[word(PARAM_CQ_MASK)] ?? 0;
    // Each place of the queue always names its own entry.
    for (let index = 0; index < entries; index++) this.#rings[array + index] = index;
  }

  /** `doneEntries`: how many may be under way, a power of two. Undefined where the kernel has no io_uring for us. */
  static open(entries: number, doneEntries: number): IoRing | undefined {
    const params = new Uint32Array(PARAMS_WORDS);
    params[PARAM.flags] = SETUP_CQSIZE | SETUP_COOP_TASKRUN;
    params[PARAM.doneEntries] = doneEntries;
    const fd: number = callSetup(SYS_SETUP, entries, addressOf(params));
    if (fd < 0) return undefined;
    // Without these two it is an older kernel; the descriptor costs nothing.
    return ((params[PARAM.features] ?? 0) & FEATURES) === FEATURES ? new IoRing(entries, fd, params) : undefined;
  }

  /** Entries that fit before the next `submit`. */
  get room(): number {
    return this.entries - (this.#tail - this.#submitted);
  }

  /** The eventfd(2) is written to whenever something has ended. False where that is not allowed to us. */
  signal(event: number): boolean {
    return callRegister(SYS_REGISTER, this.#fd, REGISTER_EVENT, addressOf(Int32Array.of(event)), 1) === 0;
  }

  /** Reads what is in the page cache, within `submit`; of the rest it says so. */
  readCached(read: RingRead, id: number): void {
    this.#fill(OP_READ, read, RWF_NOWAIT, id);
  }

  /** Reads, if need be from the disk: ends within `submit` or later. `byWorker`: a thread of the kernel's does it all. */
  read(read: RingRead, id: number, byWorker: boolean): void {
    this.#fill(byWorker ? OP_READ | BY_WORKER : OP_READ, read, 0, id);
  }

  /** Whether any of these has ended, of which `takeDone` has not told yet. */
  hasEnded(ids: readonly number[]): boolean {
    const end = Atomics.load(this.#rings, this.#at.doneTail);
    for (let at = this.#doneHead; at !== end; at = (at + 1) | 0) if (ids.includes(this.#idAt(at))) return true;
    return false;
  }

  /** Hands over what was laid in. Answers how many entries, the last ones, the kernel would not take: they are gone. */
  submit(): number {
    Atomics.store(this.#rings, this.#at.tail, this.#tail);
    for (let tries = 0; this.#submitted !== this.#tail && tries < TRIES_MAX; tries++) {
      const taken: number = callEnter(SYS_ENTER, this.#fd, this.#tail - this.#submitted, 0, 0, 0, 0);
      if (taken > 0) this.#submitted += taken;
    }
    const refused = this.#tail - this.#submitted;
    this.#tail = this.#submitted;
    if (refused > 0) Atomics.store(this.#rings, this.#at.tail, this.#tail);
    return refused;
  }

  /** Tells what has ended since the last call: a count of bytes, or an error number below 0. */
  takeDone(tell: (id: number, outcome: number) => void): void {
    const end = Atomics.load(this.#rings, this.#at.doneTail);
    for (; this.#doneHead !== end; this.#doneHead = (this.#doneHead + 1) | 0) {
      const at = this.#at.done + (this.#doneHead & this.#doneMask) * DONE_WORDS;
      tell(this.#rings[at] ?? 0, this.#rings[at + 2] ?? 0);
    }
    Atomics.store(this.#rings, this.#at.doneHead, end);
  }

  #idAt(done: number): number {
    return this.#rings[this.#at.done + (done & this.#doneMask) * DONE_WORDS] ?? 0;
  }

  #fill(operation: number, { fd, offset, address, bytes }: RingRead, rwFlags: number, id: number): void {
    const at = (this.#tail & (this.entries - 1)) * ENTRY_WORDS;
    const queue = this.#queue;
    queue[at] = operation;
    queue[at + 1] = fd;
    queue[at + 2] = offset;
    queue[at + 3] = offset / WORD;
    queue[at + 4] = address;
    queue[at + 5] = address / WORD;
    queue[at + 6] = bytes;
    queue[at + 7] = rwFlags;
    queue[at + 8] = id;
    this.#tail++;
  }
}

function mapped(fd: number, bytes: number, offset: number): ArrayBuffer {
  const address: unknown = callMmap(0, bytes, PROT_READ_WRITE, MAP_SHARED_POPULATE, fd, offset);
  if (koffi.address(address) === MAP_FAILED) throw systemError('mmap', `${bytes} bytes of an io_uring`);
  return koffi.view(address, bytes);
}
