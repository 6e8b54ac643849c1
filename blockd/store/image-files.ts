// How a layer comes to be and how it is found again after a stop of any kind. A layer exists exactly when its journal has a
// header; one whose journal was begun and has none is removed, one that has lost a file is refused, and nothing of it goes.
import { basename } from 'node:path';
import type { Disk } from '../../common/disk/disk.ts';
import { codeOf, OperationError } from '../../common/errors.ts';
import { Journal } from '../../common/journal/journal.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { BLOCKS_MAX, blocksOf, runsAreSound } from '../table/version-run.ts';
import { type TableMark, VersionTable } from '../table/version-table.ts';
import { blocksOfExtent } from './active-extents.ts';
import { ImageStore, type LayerPaths, type StoreParts } from './image-store.ts';
import { beginLayer, deleteLayer, layerPaths } from './layer-files.ts';
import { readTable, saveTable } from './resting-table.ts';
import { foldRecords, newState, type StoreFold, StoreRecord, type StoreState } from './store-record.ts';
import type { TornEnds } from './torn-ends.ts';

export const EMPTY_MARK: TableMark = { lastSequence: 0, entries: 0, digest: '0'.repeat(32) };

/** What a new layer starts with: nothing, or the data file that an import has filled and its table. */
export interface NewLayer extends Pick<StoreParts, 'checkpointBytes' | 'tails'> {
  readonly image: string;
  readonly layer: string;
  readonly bytes: number;
  readonly table?: VersionTable;
  /** Its table is the image's own from the start; false for a store that is yet to hear of it. */
  readonly isOrigin: boolean;
  /** What is to be otherwise than in the lone top of an image that was never opened. */
  readonly state?: Partial<StoreState>;
  /** The highest number that the layers below have seen: the image's numbers go on. */
  readonly lastSequence?: number;
  /** Numbers below it may have been used by this node's layer below. */
  readonly reservedBelow?: number;
}

/** Makes a layer; it exists when this answers, and does not after a crash before. @throws Error of the disk */
export async function createLayer(disk: Disk, directory: string, fresh: NewLayer): Promise<ImageStore> {
  const journal = await beginLayer(disk, directory, fresh.layer);
  try {
    return await createIn(disk, directory, fresh, journal);
  } catch (error) {
    await journal.close();
    throw error;
  }
}

async function createIn(
  disk: Disk,
  directory: string,
  fresh: NewLayer,
  journal: Journal<StoreRecord>,
): Promise<ImageStore> {
  const { image, layer, reservedBelow = 1, checkpointBytes, tails } = fresh;
  const paths = layerPaths(directory, layer);
  const table = fresh.table ?? new VersionTable(blocksOf(fresh.bytes));
  table.lastSequence = Math.max(table.lastSequence, fresh.lastSequence ?? 0);
  const data = await disk.open(paths.data, 'write');
  await data.truncate(fresh.bytes);
  await data.datasync();
  const tableNumber = fresh.table === undefined ? 0 : 1;
  if (tableNumber > 0) await saveTable(disk, directory, paths.table(tableNumber), table);
  await disk.syncDirectory(directory);
  const closing = fresh.isOrigin ? { image, epoch: 0, ...table.mark, generation: 1 } : null;
  const state: StoreState = { ...newState(image), closing, ...fresh.state };
  await journal.rewrite([
    { header: { bytes: fresh.bytes, table: tableNumber, mark: table.mark }, state, reservedBelow },
  ]);
  // The entries stand in the table file already.
  table.settle(table.takeChanges(), true);
  const parts = { disk, layer, paths, data, journal, table, tableNumber, state, checkpointBytes, tails };
  return new ImageStore({ ...parts, holders: [''], reservedBelow, active: new Set() });
}

/** How a layer is opened. */
export interface OpenOptions extends Pick<StoreParts, 'checkpointBytes' | 'tails'> {
  /** Keeps what was unfinished at the end of its journal, which is cut off; without it nobody does. */
  readonly torn?: Pick<TornEnds, 'keep'> | undefined;
}

/**
 * Opens a layer after any kind of stop; undefined when its creation had not finished, or it is not here. After an unclean
 * stop of a writer, data that changed without a record gets new versions (SOUNDNESS A3): as it is on the disk, or still to
 * be written.
 * @throws OperationError IMAGE_DAMAGED when its table or entries are not what the journal says, or a file is gone;
 * JOURNAL_DAMAGED, JOURNAL_UNREADABLE
 */
export async function openLayer(
  disk: Disk,
  directory: string,
  layer: string,
  { torn, ...options }: OpenOptions = {},
): Promise<ImageStore | undefined> {
  const paths = layerPaths(directory, layer);
  const names = await disk.list(directory);
  const isBegun = names.includes(basename(paths.data));
  if (!names.includes(basename(paths.journal))) {
    if (!isBegun) return undefined;
    throw lost(paths.journal);
  }
  const { journal, records } = await Journal.open(disk, paths.journal, StoreRecord, {
    isBegun,
    torn: async (bytes, atBytes) => torn?.keep(layer, bytes, atBytes),
  });
  const fold = foldRecords(records);
  if (fold === undefined) {
    await journal.close();
    await deleteLayer(disk, directory, layer);
    return undefined;
  }
  if (!isBegun) {
    await journal.close();
    throw lost(paths.data);
  }
  return openFolded(disk, paths, { ...options, layer, fold, journal }).catch(async (error: unknown) => {
    await journal.close();
    throw error;
  });
}

interface FoldedLayer extends OpenOptions, Pick<StoreParts, 'layer' | 'journal'> {
  readonly fold: StoreFold;
}

async function openFolded(disk: Disk, paths: LayerPaths, layer: FoldedLayer): Promise<ImageStore> {
  const table = await loadTable(disk, paths, layer.fold);
  const data = await disk.open(paths.data, 'write');
  return openWith(disk, paths, { ...layer, table, data }).catch(async (error: unknown) => {
    await data.close();
    throw error;
  });
}

async function openWith(
  disk: Disk,
  paths: LayerPaths,
  { fold, ...parts }: FoldedLayer & Pick<StoreParts, 'table' | 'data'>,
): Promise<ImageStore> {
  if (fold.active.size > 0) await disk.dropCached(paths.data);
  const tableNumber = fold.header.table;
  const store = new ImageStore({ ...parts, ...fold, disk, paths, tableNumber });
  await removeOldTables(disk, paths, fold.header.table);
  // A layer that is sealed was never written since, whatever was marked for a write that then went to the next one.
  if (fold.active.size > 0 && fold.state.role !== 'sealed') await renewActive(disk, store, fold);
  return store;
}

async function loadTable(disk: Disk, paths: LayerPaths, fold: StoreFold): Promise<VersionTable> {
  const { bytes, table: number, mark } = fold.header;
  const { image } = fold.state;
  const blocks = blocksOf(bytes);
  const table = number === 0 ? new VersionTable(blocks) : await restingTable(disk, paths.table(number), blocks);
  const expected = number === 0 ? EMPTY_MARK : mark;
  if (table?.mark.digest !== expected.digest) throw damaged(image, `its table ${number} is not the one written`);
  if (!fold.runs.every((runs) => runsAreSound(runs, blocks))) {
    throw damaged(image, 'its journal has entries beyond its end');
  }
  table.restore(fold.runs);
  table.lastSequence = lastSequenceOf(table, fold);
  return table;
}

/** The journal also has what was overwritten since, maybe under numbers that this store once gave by itself. */
function lastSequenceOf({ mark }: VersionTable, { lastSequence, state: { closing, role } }: StoreFold): number {
  if (closing?.digest === mark.digest && closing.entries === mark.entries) return closing.lastSequence;
  // In the midst of a merge a sealed layer is no more what it was closed with: it ends as foretold if it goes on from there.
  return role === 'sealed' ? lastSequence : Math.max(mark.lastSequence, lastSequence);
}

/** Undefined when it is not as it was written, or not there. @throws Error of the disk */
async function restingTable(disk: Disk, path: string, blocks: number): Promise<VersionTable | undefined> {
  return readTable(disk, path, blocks).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
    return undefined;
  });
}

async function removeOldTables(disk: Disk, paths: LayerPaths, number: number): Promise<void> {
  if (number > 0) await disk.remove(paths.table(number - 1));
  await disk.remove(paths.table(number + 1));
}

/** The writer goes on with numbers that nobody can have seen, for what was written without a record too. */
async function renewActive(disk: Disk, store: ImageStore, fold: StoreFold): Promise<void> {
  await store.reserve();
  const sequence = store.takeSequence();
  if (sequence === undefined) throw damaged(store.image, 'its write numbers are used up');
  const version = { epoch: fold.state.epoch, sequence };
  const sumOf = (block: number): number => store.file.sumOf(block);
  // What else differs from zeros than a client's writes, a store that is none's left there itself: its table stays as it was.
  // One that stands still for a cut has no extent marked; where it has, the cut failed, and the disk had no room for that word.
  const { role } = fold.state;
  const hasWrites = (role === 'writer' || role === 'cutting') && fold.kernelRun === disk.kernelRun;
  for (const extent of fold.active) {
    const [first, end] = blocksOfExtent(extent, store.blocks);
    store.table.renew(first, end, version, sumOf);
    if (hasWrites) store.table.adoptWrites(first, end, version, sumOf);
  }
  await store.commit({ clean: true });
}

function damaged(image: string, why: string): OperationError {
  return new OperationError('IMAGE_DAMAGED', `image ${image} cannot be used here: ${why}`, {
    remedy: 'Bring its files back as they were, or delete the image; if another store has it, at this node alone.',
  });
}

function lost(path: string): OperationError {
  return new OperationError('IMAGE_DAMAGED', `its file ${path} is gone`, {
    remedy: 'Bring it back as it was (from a copy, or from lost+found); what is left of the layer stays as it is.',
  });
}

/** @throws OperationError BAD_SIZE unless the size is a positive number of whole blocks, within the limit */
export function checkImageBytes(image: string, bytes: number): void {
  const blocks = Math.ceil(bytes / BLOCK_BYTES);
  if (blocks > BLOCKS_MAX) {
    throw new OperationError(
      'BAD_SIZE',
      `image ${image} cannot have ${bytes} bytes: the limit is ${BLOCKS_MAX * BLOCK_BYTES}`,
      {
        remedy: 'Use several smaller images.',
      },
    );
  }
  if (bytes > 0 && bytes % BLOCK_BYTES === 0) return;
  throw new OperationError(
    'BAD_SIZE',
    `image ${image} cannot have ${bytes} bytes: a size is a multiple of ${BLOCK_BYTES}`,
    {
      remedy: `Ask for ${Math.max(1, blocks) * BLOCK_BYTES} bytes.`,
    },
  );
}
