// posix_fadvise(2), which node:fs lacks: makes the kernel read a file from its disk again. Nothing is lost by it: pages
// that are still to be written stay.
import { open } from 'node:fs/promises';
import koffi from 'koffi';

/** fcntl.h */
const POSIX_FADV_DONTNEED = 4;
/** A length of 0 is the rest of the file. */
const TO_THE_END = 0;

const libc = koffi.load('libc.so.6');
const callFadvise = libc.func('int posix_fadvise(int fd, int64_t offset, int64_t len, int advice)');

/** Drops the clean pages of a file, in libuv's pool. @throws Error with the operating system's code, or `FADVISE` */
export async function dropCached(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await adviseDontNeed(handle.fd, path);
  } finally {
    await handle.close();
  }
}

function adviseDontNeed(fd: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    callFadvise.async(fd, 0, TO_THE_END, POSIX_FADV_DONTNEED, (error: Error | null, errno: number) => {
      if (error !== null) reject(error);
      else if (errno === 0) resolve();
      else reject(Object.assign(new Error(`posix_fadvise of ${path} failed: errno ${errno}`), { code: 'FADVISE' }));
    });
  });
}
