// A LevelDB database comes to be whole or not at all. LevelDB itself names a first manifest that is not durable yet: a power
// cut in that moment leaves a directory that never opens again.
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Level } from 'level';
import { codeOf } from '../errors.ts';
import { realDisk, UNFINISHED } from './disk.ts';

/**
 * What LevelDB reads when it opens, besides CURRENT, which names the newest. Never its file LOCK: a process that closes any
 * descriptor of that gives up the lock which it has by another (fcntl_locking(2)).
 */
const OF_DATABASE = /^MANIFEST-|\.(log|ldb|sst)$/;

/**
 * To be called before each opening: makes an empty database where there is nothing yet, and of one that is there what a failed
 * sync has kept from the disk is forgotten, which the kernel would go on to show. @throws Error of the disk or of LevelDB
 */
export async function readyLevelDirectory(directory: string): Promise<void> {
  const names = await namesIn(directory);
  if (names.length > 0) {
    for (const name of names.filter((one) => one === 'CURRENT' || OF_DATABASE.test(one)))
      await dropKept(join(directory, name));
    return;
  }
  const unfinished = directory + UNFINISHED;
  await rm(unfinished, { recursive: true, force: true });
  await realDisk.makeDirectory(dirname(directory));
  const level = new Level(unfinished);
  await level.open();
  await level.close();
  await realDisk.syncDirectory(unfinished);
  // An empty directory of the name gives way.
  await realDisk.rename(unfinished, directory);
  await realDisk.syncDirectory(dirname(directory));
}

/** LevelDB makes a new, empty database where the file that names its newest state is gone, whatever else is there. */
export async function isHeadless(directory: string): Promise<boolean> {
  const names = await namesIn(directory);
  return names.some((name) => OF_DATABASE.test(name)) && !names.includes('CURRENT');
}

/** Another process may have the database, whose files come and go. */
async function dropKept(path: string): Promise<void> {
  await realDisk.dropCached(path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
  });
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
