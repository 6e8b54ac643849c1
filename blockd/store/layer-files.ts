// The files of a layer, how they begin and how they end. A layer's journal is there before its other files and goes after
// them, and while either is under way it has no record: what has no journal was lost, not left over, and stays.
import { basename, join } from 'node:path';
import type { Disk } from '../../common/disk/disk.ts';
import { Journal } from '../../common/journal/journal.ts';
import { JOURNAL_HEADER } from '../../common/journal/journal-frame.ts';
import type { LayerPaths } from './image-store.ts';
import { StoreRecord } from './store-record.ts';

const JOURNAL_SUFFIX = '.journal';
const DATA_SUFFIX = '.data';

/** Names of a layer's files in the store's directory; ids have no dots. */
export function layerPaths(directory: string, layer: string): LayerPaths {
  return {
    directory,
    data: join(directory, `${layer}${DATA_SUFFIX}`),
    journal: join(directory, `${layer}${JOURNAL_SUFFIX}`),
    table: (number) => join(directory, `${layer}.table-${number}`),
  };
}

/** The layers of a directory, sorted, also those of which only the data file is left. Other files of no journal go. */
export async function listLayers(disk: Disk, directory: string): Promise<string[]> {
  const names = await disk.list(directory);
  const isOne = (name: string): boolean => name.endsWith(JOURNAL_SUFFIX) || name.endsWith(DATA_SUFFIX);
  const layers = new Set(names.filter(isOne).map(layerOf));
  for (const name of names) if (!layers.has(layerOf(name))) await disk.remove(join(directory, name));
  return [...layers];
}

function layerOf(name: string): string {
  return name.split('.', 1)[0] ?? '';
}

/** Before the first other file of a layer that is made. @throws Error of the disk */
export async function beginLayer(disk: Disk, directory: string, layer: string): Promise<Journal<StoreRecord>> {
  return (await Journal.open(disk, layerPaths(directory, layer).journal, StoreRecord)).journal;
}

/** Removes a layer's files; after a crash in between the next start goes on with that. @throws Error of the disk */
export async function deleteLayer(disk: Disk, directory: string, layer: string): Promise<void> {
  const { journal } = layerPaths(directory, layer);
  const own = (await disk.list(directory)).filter((name) => layerOf(name) === layer);
  if (own.includes(basename(journal))) await empty(disk, journal);
  const others = own.map((name) => join(directory, name)).filter((path) => path !== journal);
  for (const path of others) await disk.remove(path);
  if (others.length > 0) await disk.syncDirectory(directory);
  await disk.remove(journal);
  await disk.syncDirectory(directory);
}

/** Takes no room: it may be done because there is none. */
async function empty(disk: Disk, journal: string): Promise<void> {
  const file = await disk.open(journal, 'write');
  try {
    if ((await file.size()) <= JOURNAL_HEADER.length) return;
    await file.truncate(JOURNAL_HEADER.length);
    await file.datasync();
  } finally {
    await file.close();
  }
}
