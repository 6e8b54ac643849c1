// How much room a file system has. Nothing is kept of it: it changes while it is read.
import { statfs } from 'node:fs/promises';

/** In bytes; free is what this user may take. */
export interface DiskRoom {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** The room of the file system that a path lies on. @throws Error with the operating system's code */
export async function diskRoom(path: string): Promise<DiskRoom> {
  const { bavail, blocks, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
