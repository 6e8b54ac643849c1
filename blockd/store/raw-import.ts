// Fills a new image from a raw disk file: blocks that are all zeros stay unwritten. The file is data and nothing else:
// no format is guessed and no other file is named by it (promise X9).
import type { Disk, DiskFile } from '../../common/disk.ts';
import { OperationError } from '../../common/errors.ts';
import { checksumsOf } from '../table/block-checksum.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { blocksOf } from '../table/version-run.ts';
import { VersionTable } from '../table/version-table.ts';
import { checkImageBytes, createImage, imagePaths } from './image-files.ts';
import type { ImageStore } from './image-store.ts';

/** Large enough for the disk, small enough for steady progress. */
const CHUNK_BYTES = 4 * 2 ** 20;
const ZEROS = Buffer.alloc(CHUNK_BYTES);
/** The one number of everything that an import writes. */
const IMPORTED = { epoch: 0, sequence: 1 } as const;

export interface RawImport {
  readonly image: string;
  /** The raw file. */
  readonly path: string;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Makes an image whose size is the file's, rounded up to whole blocks.
 * @throws OperationError BAD_SIZE, CANCELLED; Error of the disk; the image does not exist then
 */
export async function importRaw(disk: Disk, directory: string, job: RawImport): Promise<ImageStore> {
  const source = await disk.open(job.path, 'read');
  try {
    const fileBytes = await source.size();
    const bytes = Math.ceil(fileBytes / BLOCK_BYTES) * BLOCK_BYTES;
    checkImageBytes(job.image, bytes);
    const table = new VersionTable(blocksOf(bytes));
    const data = await disk.open(imagePaths(directory, job.image).data, 'write');
    try {
      await data.truncate(0);
      await copyBlocks(source, data, table, job);
    } finally {
      await data.close();
    }
    return await createImage(disk, directory, { image: job.image, bytes, table, isOrigin: true });
  } finally {
    await source.close();
  }
}

async function copyBlocks(source: DiskFile, data: DiskFile, table: VersionTable, job: RawImport): Promise<void> {
  const totalBytes = table.blocks * BLOCK_BYTES;
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let offset = 0; offset < totalBytes; offset += CHUNK_BYTES) {
    if (job.signal.aborted) throw new OperationError('CANCELLED', `the import of image ${job.image} was given up`);
    const had = await source.read(chunk, offset);
    chunk.fill(0, had);
    const wanted = chunk.subarray(0, Math.min(CHUNK_BYTES, totalBytes - offset));
    if (!wanted.equals(ZEROS.subarray(0, wanted.length))) await copyChunk(wanted, offset, data, table);
    job.progress(offset + wanted.length, totalBytes);
  }
}

/** Writes the chunk's blocks that are not all zeros, neighbours together. */
async function copyChunk(chunk: Buffer, offset: number, data: DiskFile, table: VersionTable): Promise<void> {
  const isZero = (at: number): boolean => chunk.compare(ZEROS, 0, BLOCK_BYTES, at, at + BLOCK_BYTES) === 0;
  for (let at = 0; at < chunk.length; at += BLOCK_BYTES) {
    if (isZero(at)) continue;
    const start = at;
    while (at < chunk.length && !isZero(at)) at += BLOCK_BYTES;
    const blocks = chunk.subarray(start, at);
    await data.write(blocks, offset + start);
    table.write((offset + start) / BLOCK_BYTES, checksumsOf(blocks), IMPORTED);
  }
}
