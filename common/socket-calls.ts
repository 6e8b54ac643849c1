// send(2) and recv(2) on a descriptor that somebody else owns, without Node's streams in between: one call of 0.6 us where
// a stream's write takes 5. Neither waits. Whoever calls holds the connection open meanwhile.
import koffi from 'koffi';
import { addressOf } from './native-memory.ts';

/** sys/socket.h */
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;

const libc = koffi.load('libc.so.6');
const callSend = libc.func('int64_t send(int fd, uintptr_t bytes, size_t count, int flags)');
const callSetOption = libc.func('int setsockopt(int fd, int level, int option, uintptr_t value, uint32_t bytes)');
const callReceive = libc.func('int64_t recv(int fd, uintptr_t into, size_t count, int flags)');

/** How many bytes the socket took; 0 when it takes none now, or is broken: then its owner is told so by the next write. */
export function sendNow(fd: number, bytes: Uint8Array): number {
  const count: number = callSend(fd, addressOf(bytes), bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
  return Math.max(count, 0);
}

/** How many bytes came; 0 when nothing is there, or never will be: then its owner is told so by the next read. */
export function receiveNow(fd: number, into: Uint8Array): number {
  const count: number = callReceive(fd, addressOf(into), into.length, MSG_DONTWAIT);
  return Math.max(count, 0);
}

/**
 * Lets the socket take so many bytes that its other end has not read yet. The kernel grants less where the machine's
 * settings say so (net.core.wmem_max).
 */
export function growSendRoom(fd: number, bytes: number): void {
  const value = Int32Array.of(bytes);
  callSetOption(fd, SOL_SOCKET, SO_SNDBUF, addressOf(value), value.byteLength);
}
