// Tables as files: written piece by piece while the table changes, and read straight into the arrays that they rest in. It
// gives no name to what is not whole on the disk, and knows no journal.
import type { Disk, DiskFile } from '../../common/disk/disk.ts';
import { isFull } from '../../common/disk/disk-room.ts';
import { EntrySlab } from '../table/entry-slab.ts';
import type { TableCapture } from '../table/table-capture.ts';
import { decodeHead, headBytes, isSealed, PREFIX_BYTES, piecesOf, type TableHead } from '../table/table-file.ts';
import { VersionTable } from '../table/version-table.ts';

/** What is synced at once: a client's flush does not wait for a whole table. */
const SYNC_PIECES = 8;
/** Reads under way at once: one is hashed while others come. */
const READS_MAX = 3;

/** A head, and how long it is. */
interface FoundHead extends TableHead {
  readonly bytes: number;
}

/**
 * Makes the file for a table, with the room that it takes now: nobody else's write fails for want of room because a table
 * that will not fit has taken it. What a crash left there goes. @throws Error of the disk (`ENOSPC`); no file is left then
 */
export async function makeTableFile(disk: Disk, path: string, table: VersionTable): Promise<DiskFile> {
  await disk.remove(path);
  const file = await disk.open(path, 'create');
  try {
    if (table.restingBytes > 0) await file.allocate(0, table.restingBytes);
  } catch (cause) {
    // Some file systems cannot: they say so when it is written.
    if (!isFull(cause)) return file;
    await file.close();
    await disk.remove(path);
    throw cause;
  }
  return file;
}

/** Writes a captured table durably; false when the capture was ended before all of it was written. @throws Error */
export async function writeTable(file: DiskFile, capture: TableCapture): Promise<boolean> {
  await file.write(capture.head, 0);
  for (let index = 0; index < capture.pieces && capture.goesOn(); index++) {
    const piece = capture.take(index);
    if (piece !== undefined) await file.write(piece.bytes, piece.offset);
    if (index % SYNC_PIECES === SYNC_PIECES - 1) await file.datasync();
  }
  await file.datasync();
  return capture.goesOn();
}

/** Writes a table that nobody changes meanwhile, durably and under its name. */
export async function saveTable(disk: Disk, directory: string, path: string, table: VersionTable): Promise<void> {
  const file = await makeTableFile(disk, path, table);
  try {
    await writeTable(file, table.capture({ spill: ({ bytes, offset }) => file.writeSync(bytes, offset) }));
  } finally {
    table.release();
    await file.close();
  }
  await disk.syncDirectory(directory);
}

/** The table of an image of so many blocks; undefined when the file is not one as it was written. @throws Error */
export async function readTable(disk: Disk, path: string, blocks: number): Promise<VersionTable | undefined> {
  const file = await disk.open(path, 'read');
  try {
    const head = await readHead(file);
    if (head === undefined || head.blocks > blocks) return undefined;
    const slab = new EntrySlab(blocks, head.chunkGroups);
    return (await readPieces(file, head, slab)) ? VersionTable.from(blocks, slab, head) : undefined;
  } finally {
    await file.close();
  }
}

async function readHead(file: DiskFile): Promise<FoundHead | undefined> {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  const bytes = (await file.read(prefix, 0)) < PREFIX_BYTES ? undefined : headBytes(prefix);
  if (bytes === undefined) return undefined;
  const whole = Buffer.alloc(bytes);
  const head = (await file.read(whole, 0)) < bytes ? undefined : decodeHead(whole);
  return head === undefined ? undefined : { ...head, bytes };
}

/** Reads all pieces, some at once, and finds their blocks; false where one is not as it was written. */
async function readPieces(file: DiskFile, head: FoundHead, slab: EntrySlab): Promise<boolean> {
  const { count, bytes } = piecesOf(head);
  if ((await file.size()) !== head.bytes + count * bytes) return false;
  let next = 0;
  let isSound = true;
  const reader = async (): Promise<void> => {
    while (next < count && isSound) {
      const index = next++;
      const chunk = slab.growBy(Math.min(head.chunkGroups, head.groups - index * head.chunkGroups));
      await file.read(chunk.bytes, head.bytes + index * bytes);
      isSound &&= isSealed(chunk.bytes) && slab.adopt(index);
    }
  };
  await Promise.all(Array.from({ length: READS_MAX }, reader));
  return isSound;
}
