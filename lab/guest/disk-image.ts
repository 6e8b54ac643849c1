// Makes raw disk images as sparse files. It must never write where the load's records will be, nor hold an image in memory.
import { createCipheriv } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';

/** Step of the filling; big enough to be fast, small beside the lab's memory. */
const FILL_CHUNK_BYTES = 1024 * 1024;
/** Where the filling starts: the load's region lies below, at its default size (load.pl, parameter `region`, in MB). */
export const WRITER_REGION_BYTES = 16 * 1024 * 1024;

/** `zero`: all holes. `random`: data that neither compresses nor deduplicates, the same in every image of that size. */
export type DiskFill = 'zero' | 'random';

/** Creates the image at `path`, `diskBytes` long; with `random`, everything beyond {@link WRITER_REGION_BYTES} is filled. */
export async function createDiskImage(path: string, diskBytes: number, fill: DiskFill): Promise<void> {
  const image = await open(path, 'wx');
  try {
    await image.truncate(diskBytes);
    if (fill === 'random') await fillRandom(image, WRITER_REGION_BYTES, diskBytes);
    await image.sync();
  } finally {
    await image.close();
  }
}

// A cipher over zeros with a fixed key: fast, incompressible, and a benchmark repeated elsewhere moves the same bytes.
async function fillRandom(image: FileHandle, fromBytes: number, toBytes: number): Promise<void> {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  const zeros = Buffer.alloc(FILL_CHUNK_BYTES);
  for (let offset = fromBytes; offset < toBytes; offset += FILL_CHUNK_BYTES) {
    const chunk = stream.update(zeros.subarray(0, Math.min(FILL_CHUNK_BYTES, toBytes - offset)));
    await image.write(chunk, 0, chunk.length, offset);
  }
}
