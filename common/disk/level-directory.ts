// A LevelDB database comes to be whole or not at all. LevelDB itself names a first manifest that is not durable yet: a power
// cut in that moment leaves a directory that never opens again.
import { readdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Level } from 'level';
import { codeOf } from '../errors.ts';
import { realDisk, UNFINISHED } from './disk.ts';

/** Makes an empty database where there is nothing yet. @throws Error of the disk or of LevelDB */
export async function ensureLevelDirectory(directory: string): Promise<void> {
  if (!(await isEmpty(directory))) return;
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
  const names: string[] = await readdir(directory).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });
  return names.some((name) => /^MANIFEST-|\.(ldb|log|sst)$/.test(name)) && !names.includes('CURRENT');
}

async function isEmpty(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length === 0;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    throw error;
  }
}
