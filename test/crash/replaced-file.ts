// How a disk in memory writes a file whole or not at all: step by step as the real one does, so that the power may fail
// between any two. Not a test itself.
import type { Disk } from '../../common/disk/disk.ts';

/** @see Disk.replace, whose directories have all one name here. */
export async function replaceBySteps(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const fresh = `${path}.new`;
  await disk.remove(fresh);
  const file = await disk.open(fresh, 'create');
  await file.write(bytes, 0);
  await file.datasync();
  await disk.rename(fresh, path);
  await disk.syncDirectory('');
}
