// A table over its resting form, on a disk in memory. Not a test itself.
import { readTable, saveTable } from '../../../blockd/store/resting-table.ts';
import type { VersionTable } from '../../../blockd/table/version-table.ts';
import { FaultyDisk } from '../common/faulty-disk.ts';

const PATH = '/images/web.table-1';

/** The bytes of the table's file, as a power cut right afterwards leaves them. */
export async function restingBytes(table: VersionTable): Promise<Buffer> {
  const disk = new FaultyDisk();
  await saveTable(disk, '/images', PATH, table);
  return disk.powerCut().bytesOf(PATH);
}

/** The table of those bytes; undefined when they are not a table of so many blocks. */
export async function tableOf(blocks: number, bytes: Uint8Array): Promise<VersionTable | undefined> {
  const disk = new FaultyDisk();
  disk.put(PATH, bytes);
  return readTable(disk, PATH, blocks);
}
