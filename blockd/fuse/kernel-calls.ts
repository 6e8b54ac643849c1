// The system calls of the FUSE export that Node lacks: a mount, unix sockets and polls on descriptors, called directly in
// the C library. It decides nothing.
import koffi from 'koffi';

// Numbers of the Linux kernel's user interface (sys/socket.h, poll.h, sys/mount.h, sys/eventfd.h).
const AF_UNIX = 1;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
const SOCKADDR_UN_BYTES = 110;
const MSG_NOSIGNAL = 0x4000;
const MS_NOSUID_NODEV = 2 | 4;
export const MNT_DETACH = 2;
export const POLLIN = 1;
export const POLLOUT = 4;
const EFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const POLLFD_BYTES = 8;

/** errno.h, the same numbers on both machines. */
export const ERRNO = { ENOENT: 2, EINTR: 4, EAGAIN: 11, ENODEV: 19, ECONNABORTED: 103 } as const;

// koffi knows no ssize_t. Buffers are passed as they lie; a call keeps none.
const libc = koffi.load('libc.so.6');
const call = {
  mount: libc.func(
    'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
  ),
  umount: libc.func('int umount2(const char *target, int flags)'),
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  connect: libc.func('int connect(int fd, const void *address, uint32_t bytes)'),
  send: libc.func('long send(int fd, const void *bytes, size_t count, int flags)'),
  read: libc.func('long read(int fd, void *into, size_t count)'),
  write: libc.func('long write(int fd, const void *bytes, size_t count)'),
  close: libc.func('int close(int fd)'),
  poll: libc.func('int poll(void *fds, unsigned long count, int timeoutMs)'),
  eventfd: libc.func('int eventfd(uint32_t count, int flags)'),
};

const errnoNames = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));

function callFailed(operation: string): Error {
  const errno = koffi.errno();
  const code = errnoNames.get(errno) ?? `ERRNO_${errno}`;
  return Object.assign(new Error(`${code}: ${operation}`), { code });
}

/** Mounts a FUSE file system that is spoken on the open /dev/fuse. @throws Error with `code` EPERM, ENOTDIR, ... */
export function mountFuse(device: number, at: string, type: string, options: string): void {
  const data = `fd=${device},${options}`;
  if (call.mount('supercloud', at, type, MS_NOSUID_NODEV, data) !== 0) throw callFailed(`mount on ${at}`);
}

/** @throws Error with `code` EBUSY where something there is open, EINVAL where nothing is mounted */
export function unmount(at: string, flags: number): void {
  if (call.umount(at, flags) !== 0) throw callFailed(`unmount ${at}`);
}

/** A descriptor that another thread wakes a poll with. */
export function newWaker(): number {
  const descriptor: number = call.eventfd(0, EFD_NONBLOCK_CLOEXEC);
  if (descriptor < 0) throw callFailed('eventfd');
  return descriptor;
}

export function wake(waker: number): void {
  call.write(waker, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]), 8);
}

/** A connected stream to a unix socket; undefined when nobody listens, or cannot take another client now. */
export function connectUnix(path: string): number | undefined {
  const address = Buffer.alloc(SOCKADDR_UN_BYTES);
  address.writeUInt16LE(AF_UNIX, 0);
  const bytes = 2 + address.write(path, 2, 'utf8') + 1;
  const descriptor: number = call.socket(AF_UNIX, SOCK_STREAM_NONBLOCK_CLOEXEC, 0);
  if (descriptor < 0) throw callFailed('socket');
  if (call.connect(descriptor, address, bytes) === 0) return descriptor;
  closeDescriptor(descriptor);
  return undefined;
}

export function closeDescriptor(descriptor: number): void {
  call.close(descriptor);
}

/** How many bytes were read, or the negated error number. */
export function readNow(descriptor: number, into: Buffer): number {
  const count: number = call.read(descriptor, into, into.length);
  return count < 0 ? -koffi.errno() : count;
}

/** How many bytes were taken, or the negated error number. */
export function writeNow(descriptor: number, bytes: Buffer): number {
  const count: number = call.write(descriptor, bytes, bytes.length);
  return count < 0 ? -koffi.errno() : count;
}

/** As `writeNow`, to a socket. */
export function sendNow(socket: number, bytes: Buffer): number {
  const count: number = call.send(socket, bytes, bytes.length, MSG_NOSIGNAL);
  return count < 0 ? -koffi.errno() : count;
}

/** Descriptors that are waited for together. */
export class PollSet {
  #room = Buffer.alloc(16 * POLLFD_BYTES);
  #count = 0;

  clear(): void {
    this.#count = 0;
  }

  /** Answers its place. `events`: of POLLIN and POLLOUT. */
  add(descriptor: number, events: number): number {
    if ((this.#count + 1) * POLLFD_BYTES > this.#room.length) {
      this.#room = Buffer.concat([this.#room, Buffer.alloc(this.#room.length)]);
    }
    this.#room.writeInt32LE(descriptor, this.#count * POLLFD_BYTES);
    this.#room.writeUInt32LE(events, this.#count * POLLFD_BYTES + 4);
    return this.#count++;
  }

  /** Sleeps until one of them is ready, or the time is over; for ever without one. An interruption ends it too. */
  wait(timeoutMs: number | undefined): void {
    const limit = timeoutMs === undefined ? -1 : Math.max(0, Math.ceil(timeoutMs));
    const ready: number = call.poll(this.#room, this.#count, limit);
    if (ready >= 0) return;
    if (koffi.errno() !== ERRNO.EINTR) throw callFailed('poll');
    for (let place = 0; place < this.#count; place++) this.#room.writeUInt16LE(0, place * POLLFD_BYTES + 6);
  }

  /** What the last wait found at a place, errors and hang-ups too. */
  readyAt(place: number): number {
    return this.#room.readUInt16LE(place * POLLFD_BYTES + 6);
  }
}
