// Linux fallocate(2), which node:fs lacks: room on the disk ahead of a write, and holes. Runs in libuv's pool, never on
// the main thread.
import koffi from 'koffi';

/** linux/falloc.h */
const FALLOC_FL_KEEP_SIZE = 0x01;
const FALLOC_FL_PUNCH_HOLE = 0x02;
/** The bytes are there, the size grows with them: ENOSPC shows here and not at a later writeback. */
const MODE_ALLOCATE = 0;
const MODE_PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

const libc = koffi.load('libc.so.6');
const callFallocate = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t len)');

const errnoNames = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));

/** Reserves the range on the disk; what is unwritten reads as zeros. @throws Error with `code` ENOSPC, EIO, ... */
export function allocateRange(fd: number, offset: number, bytes: number): Promise<void> {
  return fallocate(fd, MODE_ALLOCATE, offset, bytes);
}

/** Gives the range back to the disk; it reads as zeros and the size stays. @throws Error with `code` */
export function punchRange(fd: number, offset: number, bytes: number): Promise<void> {
  return fallocate(fd, MODE_PUNCH, offset, bytes);
}

function fallocate(fd: number, mode: number, offset: number, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    callFallocate.async(fd, mode, offset, bytes, (error: Error | null, result: number) => {
      // koffi keeps the errno of the asynchronous call for its callback.
      if (error !== null) reject(error);
      else if (result === 0) resolve();
      else reject(fallocateError(koffi.errno(), mode, offset, bytes));
    });
  });
}

function fallocateError(errno: number, mode: number, offset: number, bytes: number): Error {
  const code = errnoNames.get(errno) ?? `ERRNO_${errno}`;
  const verb = mode === MODE_PUNCH ? 'punch' : 'allocate';
  return Object.assign(new Error(`${code}: ${verb} ${bytes} bytes at offset ${offset}`), {
    code,
    syscall: 'fallocate',
  });
}
