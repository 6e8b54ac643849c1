// Fills a new image from a raw disk: blocks that are all zeros stay unwritten. The disk is data and nothing else: no
// format is guessed and no other file is named by it (promise X9).
import type { Disk } from '../../common/disk/disk.ts';
import { OperationError } from '../../common/errors.ts';
import { checksumsOf } from '../table/block-checksum.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { blocksOf } from '../table/version-run.ts';
import { VersionTable } from '../table/version-table.ts';
import { checkImageBytes, createLayer } from './image-files.ts';
import type { ImageStore } from './image-store.ts';
import { layerPaths } from './layer-files.ts';

/** Large enough for the disk, small enough for steady progress. */
const CHUNK_BYTES = 4 * 2 ** 20;
const ZEROS = Buffer.alloc(CHUNK_BYTES);
/** The one number of everything that an import writes. */
const IMPORTED = { epoch: 0, sequence: 1 } as const;

export interface RawImport {
  readonly image: string;
  readonly layer: string;
  readonly progress: (doneBytes: number, totalBytes: number) => void;
  readonly signal: AbortSignal;
}

/** The raw disk's bytes. */
export interface RawSource {
  readonly bytes: number;
  /** What there is of the range: shorter at the end. */
  read(offset: number, length: number): Promise<Buffer>;
}

/**
 * Makes an image whose size is the source's, rounded up to whole blocks.
 * @throws OperationError BAD_SIZE, CANCELLED; Error of the disk; the image does not exist then
 */
export async function importRaw(disk: Disk, directory: string, source: RawSource, job: RawImport): Promise<ImageStore> {
  const table = tableFor(source.bytes, job.image);
  const data = await disk.open(layerPaths(directory, job.layer).data, 'write');
  try {
    await data.truncate(0);
    await copyBlocks(source, table, job, (part, offset) => data.write(part, offset));
  } finally {
    await data.close();
  }
  return createImported(disk, directory, table, job);
}

/** As `importRaw`, of a raw disk that lies in the image's own data file already. */
export async function adoptRaw(disk: Disk, directory: string, job: RawImport): Promise<ImageStore> {
  const data = await disk.open(layerPaths(directory, job.layer).data, 'read');
  const read = async (offset: number, length: number): Promise<Buffer> => {
    const into = Buffer.alloc(length);
    return into.subarray(0, await data.read(into, offset));
  };
  let table: VersionTable;
  try {
    const bytes = await data.size();
    table = tableFor(bytes, job.image);
    await copyBlocks({ bytes, read }, table, job, async () => undefined);
  } finally {
    await data.close();
  }
  return createImported(disk, directory, table, job);
}

function createImported(disk: Disk, directory: string, table: VersionTable, job: RawImport): Promise<ImageStore> {
  const { image, layer } = job;
  return createLayer(disk, directory, { image, layer, bytes: table.blocks * BLOCK_BYTES, table, isOrigin: true });
}

/** @throws OperationError BAD_SIZE */
function tableFor(bytes: number, image: string): VersionTable {
  const whole = Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
  checkImageBytes(image, whole);
  return new VersionTable(blocksOf(whole));
}

type Keep = (part: Buffer, offset: number) => Promise<void>;

async function copyBlocks(source: RawSource, table: VersionTable, job: RawImport, keep: Keep): Promise<void> {
  const totalBytes = table.blocks * BLOCK_BYTES;
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let offset = 0; offset < totalBytes; offset += CHUNK_BYTES) {
    if (job.signal.aborted) throw new OperationError('CANCELLED', `the import of image ${job.image} was given up`);
    const had = (await source.read(offset, CHUNK_BYTES)).copy(chunk);
    chunk.fill(0, had);
    const wanted = chunk.subarray(0, Math.min(CHUNK_BYTES, totalBytes - offset));
    if (!wanted.equals(ZEROS.subarray(0, wanted.length))) await copyChunk(wanted, offset, table, keep);
    job.progress(offset + wanted.length, totalBytes);
  }
}

/** Writes the chunk's blocks that are not all zeros, neighbours together. */
async function copyChunk(chunk: Buffer, offset: number, table: VersionTable, keep: Keep): Promise<void> {
  const isZero = (at: number): boolean => chunk.compare(ZEROS, 0, BLOCK_BYTES, at, at + BLOCK_BYTES) === 0;
  for (let at = 0; at < chunk.length; at += BLOCK_BYTES) {
    if (isZero(at)) continue;
    const start = at;
    while (at < chunk.length && !isZero(at)) at += BLOCK_BYTES;
    const blocks = chunk.subarray(start, at);
    await keep(blocks, offset + start);
    table.write((offset + start) / BLOCK_BYTES, checksumsOf(blocks), IMPORTED);
  }
}
