// Keeps what is expensive to make in folders that appear whole or not at all. It must never change a folder that is in place.
import { mkdir, mkdtemp, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { tryLock } from '../../common/disk/state-lock.ts';
import { runTool } from './host-tool.ts';

/** An unpacked system has 10,000 files. */
const REMOVE_TIMEOUT_MS = 60_000;
const LOCKED_WITHIN_MS = 10_000;

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
  const temporary = await mkdtemp(join(cacheDirectory, `.making-${name}-`));
  let release: (() => void) | undefined;
  try {
    release = tryLock(temporary);
    await make(temporary);
    await putInPlace(temporary, folder);
  } finally {
    release?.();
    await removeFolder(temporary);
  }
  return folder;
}

/** What a killed process was making. It is in nobody's way, so a remnant that cannot be removed yet stays for the next time. */
async function removeAbandoned(cacheDirectory: string): Promise<void> {
  for (const entry of await readdir(cacheDirectory)) {
    const path = join(cacheDirectory, entry);
    if (entry.startsWith('.making-') && (await isAbandoned(path))) await removeFolder(path).catch(() => undefined);
  }
}

/** Nobody has its lock, and whoever made it has had the time to take that. Not by process ids: makers may not see each other. */
async function isAbandoned(path: string): Promise<boolean> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
  if (Date.now() - mtimeMs < LOCKED_WITHIN_MS) return false;
  try {
    const release = tryLock(path);
    release?.();
    return release !== undefined;
  } catch {
    return false; // It has just been put in its place.
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
