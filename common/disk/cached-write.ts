// pwrite(2) called directly: node:fs's writeSync takes 0.8 us more for each call, a fourth of a small write.
import koffi from 'koffi';
import { addressOf, systemError } from '../native-memory.ts';

const libc = koffi.load('libc.so.6');
const callPwrite = libc.func('int64_t pwrite(int fd, uintptr_t bytes, size_t count, int64_t offset)');
const { EINTR } = koffi.os.errno;

/** Writes a part of a buffer into the page cache: how many bytes, which may be fewer. @throws Error with `code` */
export function writeCached(fd: number, bytes: Uint8Array, from: number, count: number, offset: number): number {
  for (;;) {
    const written: number = callPwrite(fd, addressOf(bytes) + from, count, offset);
    if (written >= 0) return written;
    if (koffi.errno() !== EINTR) throw systemError('pwrite', `${count} bytes at offset ${offset}`);
  }
}
