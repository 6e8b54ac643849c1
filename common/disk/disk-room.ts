// How much room a file system has, and whether something failed for want of it. Nothing is kept of it: it changes while it
// is read.
import { statfs } from 'node:fs/promises';
import { codeOf } from '../errors.ts';

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

/**
 * Whether a step with a file found no room, or no more of its user's share. The journal wraps the disk's error in one of its
 * own.
 */
export function isFull(error: unknown): boolean {
  const codes = [codeOf(error), error instanceof Error ? codeOf(error.cause) : undefined];
  return codes.includes('ENOSPC') || codes.includes('EDQUOT');
}
