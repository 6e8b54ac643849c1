// Linux preadv2(2) with RWF_NOWAIT, which node:fs lacks: reads what is in the page cache and never waits for the disk. The
// call costs less than node:fs's readSync does.
import koffi from 'koffi';
import { addressOf, systemError } from '../native-memory.ts';

/** linux/fs.h */
const RWF_NOWAIT = 0x08;
/** struct iovec: a pointer and a length of 64 bits each. */
const IOVEC_WORDS = 4;
const WORD = 2 ** 32;

const libc = koffi.load('libc.so.6');
const callPreadv2 = libc.func('int64_t preadv2(int fd, uintptr_t iov, int iovcnt, int64_t offset, int flags)');
const { EAGAIN, EINTR, EOPNOTSUPP, ENOSYS } = koffi.os.errno;
const iovec = new Uint32Array(IOVEC_WORDS);
const iovecAddress = addressOf(iovec);

/** In place of a count of bytes: the disk would have to be waited for; or this file system cannot tell. */
export const NOT_CACHED = -1;
export const NOT_TOLD = -2;

/**
 * Reads from the offset into the buffer what can be had at once: a count of bytes, which is less than the buffer at the end
 * of the file and before what is not cached; 0 only at the end; or one of the two above. @throws Error with `code`
 */
export function readCached(fd: number, into: Uint8Array, offset: number): number {
  const address = addressOf(into);
  iovec[0] = address % WORD;
  iovec[1] = address / WORD;
  iovec[2] = into.length;
  for (;;) {
    const had: number = callPreadv2(fd, iovecAddress, 1, offset, RWF_NOWAIT);
    if (had >= 0) return had;
    const errno = koffi.errno();
    if (errno === EAGAIN) return NOT_CACHED;
    if (errno === EOPNOTSUPP || errno === ENOSYS) return NOT_TOLD;
    if (errno !== EINTR) throw systemError('preadv2', `${into.length} bytes at offset ${offset}`);
  }
}
