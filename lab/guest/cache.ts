// Keeps what is expensive to make in folders that appear whole or not at all. It must never change a folder that is in place.
import { mkdir, mkdtemp, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from './host-tool.ts';

/** An unpacked system has 10,000 files. */
const REMOVE_TIMEOUT_MS = 60_000;

/** The folder `name` below `cacheDirectory`; if it is not there, `make` fills a temporary one that then gets the name. */
export async function cachedFolder(
  cacheDirectory: string,
  name: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheDirectory, name);
  if (await exists(folder)) return folder;
  await mkdir(cacheDirectory, { recursive: true });
  const temporary = await mkdtemp(join(cacheDirectory, `.making-${name}-`));
  try {
    await make(temporary);
    await putInPlace(temporary, folder);
  } finally {
    await removeFolder(temporary);
  }
  return folder;
}

/** Two may have made the same at once; then the first one's stays. */
async function putInPlace(temporary: string, folder: string): Promise<void> {
  try {
    await rename(temporary, folder);
  } catch (cause) {
    if (!(await exists(folder))) throw cause;
  }
}

/** Removes a folder but nothing that is mounted in it, should a tool have left its /proc behind. */
export async function removeFolder(folder: string): Promise<void> {
  await runTool('rm', ['-rf', '--one-file-system', folder], { timeoutMs: REMOVE_TIMEOUT_MS });
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
