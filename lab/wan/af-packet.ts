// The WAN emulator's hands: packet sockets, a poll over them and real-time priority, by direct calls into the C library.
// Frames lie in one mapping outside of V8. It decides nothing: no address is looked at and no time is kept here.
import koffi from 'koffi';

/** A frame's buffer: the largest frame of a 1,600-byte underlay, rounded up so that two fill a page. */
export const FRAME_BYTES_MAX = 2048;
/** Frames moved by one system call. */
export const BATCH_FRAMES = 64;

// Numbers of the Linux kernel's user interface (linux/if_packet.h, sys/socket.h, sys/mman.h, poll.h, sched.h).
const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_QDISC_BYPASS = 20;
const PACKET_IGNORE_OUTGOING = 23;
const ETH_P_ALL_BE = 0x0300;
const SOCKADDR_LL_BYTES = 20;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022;
const POLLIN = 1;
const SCHED_FIFO = 1;

/** Kernel memory for frames not yet read: at 200 Mbit/s the emulator may be held up for some 100 ms without loss. */
const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024;

// struct mmsghdr on 64-bit Linux: msghdr (name, namelen, iov, iovlen, control, controllen, flags), then the length.
const MMSGHDR_BYTES = 64;
const MMSGHDR_IOV = 16;
const MMSGHDR_IOVLEN = 24;
const MMSGHDR_FLAGS = 48;
const MMSGHDR_LENGTH = 56;
const IOVEC_BYTES = 16;
const POLLFD_BYTES = 8;
const TIMESPEC_BYTES = 16;
/** A batch's headers and, behind them, where its frames lie. */
const BATCH_BYTES = BATCH_FRAMES * (MMSGHDR_BYTES + IOVEC_BYTES);
const DESCRIPTORS_MAX = 64;
const POLL_TIME_AT = DESCRIPTORS_MAX * POLLFD_BYTES;
const READING_AT = POLL_TIME_AT + TIMESPEC_BYTES;
const SENDING_AT = READING_AT + BATCH_BYTES;
/** Room before the frames for all of that, in whole pages. */
const HEAD_BYTES = 12_288;

// Pointers pass as integers: user addresses have 47 bits, which a number holds exactly. koffi knows no ssize_t.
const libc = koffi.load('libc.so.6');
const call = {
  mmap: libc.func('uint64_t mmap(uint64_t address, size_t length, int prot, int flags, int fd, long offset)'),
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  bind: libc.func('int bind(int fd, const void *address, uint32_t length)'),
  setsockopt: libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
  ifNameToIndex: libc.func('uint32_t if_nametoindex(const char *name)'),
  recvmmsg: libc.func('int recvmmsg(int fd, uint64_t headers, uint32_t count, int flags, uint64_t timeout)'),
  sendmmsg: libc.func('int sendmmsg(int fd, uint64_t headers, uint32_t count, int flags)'),
  ppoll: libc.func('int ppoll(uint64_t fds, uint64_t count, uint64_t timeout, uint64_t sigmask)'),
  setScheduler: libc.func('int sched_setscheduler(int pid, int policy, const void *parameter)'),
};

/** A system call failed; the message names it and the kernel's error number. */
export class SystemCallFailed extends Error {
  readonly code = 'SYSTEM_CALL_FAILED';

  constructor(operation: string, errno: number) {
    super(`${operation}: errno ${errno}`);
    this.name = 'SystemCallFailed';
  }
}

/** Gives this thread SCHED_FIFO priority, above all ordinary work. False if the machine does not allow it. */
export function takeRealTimePriority(priority: number): boolean {
  return call.setScheduler(0, SCHED_FIFO, Int32Array.of(priority)) === 0;
}

/** Frame buffers and system call structures in one mapping outside of V8, so that no collector ever moves or scans it. */
export class FrameMemory {
  readonly frames: number;
  /** All frames' bytes: frame n starts at `n * FRAME_BYTES_MAX`. */
  readonly bytes: Uint8Array;
  /** Where the next receive reads into. */
  readonly reading: Batch;
  /** What the next send sends. */
  readonly sending: Batch;
  readonly #head: DataView;
  readonly #base: number;

  constructor(frames: number) {
    this.frames = frames;
    const length = HEAD_BYTES + frames * FRAME_BYTES_MAX;
    const base: bigint | number = call.mmap(0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);
    if (BigInt.asIntN(64, BigInt(base)) === -1n) throw new SystemCallFailed(`mmap of ${length} bytes`, koffi.errno());
    this.#base = Number(base);
    const memory = koffi.view(BigInt(base), length);
    this.#head = new DataView(memory, 0, HEAD_BYTES);
    this.bytes = new Uint8Array(memory, HEAD_BYTES);
    this.reading = new Batch(this.#head, this.#base, READING_AT);
    this.sending = new Batch(this.#head, this.#base, SENDING_AT);
  }

  /** Writes the descriptors to poll, to be done once. */
  watch(descriptors: readonly number[]): void {
    if (descriptors.length > DESCRIPTORS_MAX) throw new RangeError(`more than ${DESCRIPTORS_MAX} descriptors to poll`);
    for (const [index, descriptor] of descriptors.entries()) {
      this.#head.setInt32(index * POLLFD_BYTES, descriptor, true);
      this.#head.setInt16(index * POLLFD_BYTES + 4, POLLIN, true);
    }
  }

  /** Sleeps until one of the first `count` descriptors has something (an error too), or the time is over. */
  poll(count: number, timeoutMs: number): void {
    const seconds = Math.floor(timeoutMs / 1000);
    writeLong(this.#head, POLL_TIME_AT, seconds);
    writeLong(this.#head, POLL_TIME_AT + 8, Math.floor((timeoutMs - seconds * 1000) * 1e6));
    const ready: number = call.ppoll(this.#base, count, this.#base + POLL_TIME_AT, 0);
    if (ready < 0 && koffi.errno() !== koffi.os.errno.EINTR) throw new SystemCallFailed('ppoll', koffi.errno());
    if (ready < 0) for (let index = 0; index < count; index++) this.#head.setInt16(index * POLLFD_BYTES + 6, 0, true);
  }

  /** True if the last poll found something on the descriptor. */
  isReady(index: number): boolean {
    return this.#head.getInt16(index * POLLFD_BYTES + 6, true) !== 0;
  }
}

/** The frames of one system call: a message header for each slot, which points to one frame. */
export class Batch {
  /** For the system call. */
  readonly address: number;
  readonly #head: DataView;
  readonly #framesAddress: number;
  readonly #at: number;

  constructor(head: DataView, base: number, at: number) {
    this.address = base + at;
    this.#head = head;
    this.#framesAddress = base + HEAD_BYTES;
    this.#at = at;
    for (let slot = 0; slot < BATCH_FRAMES; slot++) {
      writeLong(head, at + slot * MMSGHDR_BYTES + MMSGHDR_IOV, base + this.#iovecAt(slot));
      writeLong(head, at + slot * MMSGHDR_BYTES + MMSGHDR_IOVLEN, 1);
    }
  }

  /** Names the frame of a slot and how many of its bytes to send, or may be written; it holds until named anew. */
  place(slot: number, frame: number, bytes: number): void {
    writeLong(this.#head, this.#iovecAt(slot), this.#framesAddress + frame * FRAME_BYTES_MAX);
    writeLong(this.#head, this.#iovecAt(slot) + 8, bytes);
  }

  /** How many bytes the last receive put into a slot; -1 for a frame that did not fit. */
  received(slot: number): number {
    const at = this.#at + slot * MMSGHDR_BYTES;
    if ((this.#head.getInt32(at + MMSGHDR_FLAGS, true) & MSG_TRUNC) !== 0) return -1;
    return this.#head.getUint32(at + MMSGHDR_LENGTH, true);
  }

  #iovecAt(slot: number): number {
    return this.#at + BATCH_FRAMES * MMSGHDR_BYTES + slot * IOVEC_BYTES;
  }
}

// In halves: a 64-bit write would make a bigint on V8's heap for every frame.
function writeLong(head: DataView, at: number, value: number): void {
  head.setUint32(at, value % 2 ** 32, true);
  head.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** A raw socket on one network device of this process's namespace: every frame that comes in, and any frame out. */
export class PacketSocket {
  readonly descriptor: number;
  readonly #memory: FrameMemory;

  constructor(device: string, memory: FrameMemory) {
    this.#memory = memory;
    const index: number = call.ifNameToIndex(device);
    if (index === 0) throw new SystemCallFailed(`no network device ${device} in this namespace`, koffi.errno());
    this.descriptor = check('socket', call.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    this.#setOption(SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
    this.#setOption(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    this.#setOption(SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    const address = new DataView(new ArrayBuffer(SOCKADDR_LL_BYTES));
    address.setUint16(0, AF_PACKET, true);
    address.setUint16(2, ETH_P_ALL_BE, true);
    address.setInt32(4, index, true);
    check(`bind to ${device}`, call.bind(this.descriptor, new Uint8Array(address.buffer), SOCKADDR_LL_BYTES));
  }

  /** Reads up to so many frames into the reading batch; returns how many came (none too if the device is down). */
  receive(slots: number): number {
    const count: number = call.recvmmsg(this.descriptor, this.#memory.reading.address, slots, MSG_DONTWAIT, 0);
    return Math.max(count, 0);
  }

  /** Sends the first frames of the sending batch; returns how many the device took. */
  send(slots: number): number {
    const count: number = call.sendmmsg(this.descriptor, this.#memory.sending.address, slots, MSG_DONTWAIT);
    return Math.max(count, 0);
  }

  #setOption(level: number, name: number, value: number): void {
    check('setsockopt', call.setsockopt(this.descriptor, level, name, Int32Array.of(value), 4));
  }
}

function check(operation: string, result: number): number {
  if (result < 0) throw new SystemCallFailed(operation, koffi.errno());
  return result;
}
