// Keeps what is expensive to make in folders that appear whole or not at all. It must never change a folder that is in place.
import { mkdir, mkdtemp, readdir, rename, stat } from 'node:fs/promises';
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
  await removeAbandoned(cacheDirectory);
  const temporary = await mkdtemp(join(cacheDirectory, `.making-${name}-${process.pid}-`));
  try {
    await make(temporary);
    await putInPlace(temporary, folder);
  } finally {
    await removeFolder(temporary);
  }
  return folder;
}

/** What a killed process was making. It is in nobody's way, so a remnant that cannot be removed yet stays for the next time. */
async function removeAbandoned(cacheDirectory: string): Promise<void> {
  for (const entry of await readdir(cacheDirectory)) {
    const maker = Number(/^\.making-.*-(\d+)-\w{6}$/.exec(entry)?.[1] ?? Number.NaN);
    if (Number.isNaN(maker) || (await exists(`/proc/${maker}`))) continue;
    await removeFolder(join(cacheDirectory, entry)).catch(() => undefined);
  }
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
  await runTool('rm', ['-rf', '--one-file-system', folder], { timeoutMs: REMOVE_TIMEOUT_MS, tidiesUp: true });
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
