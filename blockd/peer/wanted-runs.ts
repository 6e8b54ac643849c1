// Runs of blocks as they stand in frames: first u32, count u32, and the two words of the version. Big endian.
import type { WantedRun } from '../image/block-fetcher.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';

export const WANTED_BYTES = 16;
/** A request's blocks at most: one largest NBD read. */
export const FETCH_BLOCKS_MAX = (32 * 2 ** 20) / BLOCK_BYTES;

/** Runs one after the other. */
export function wanted(runs: readonly WantedRun[]): Buffer {
  const bytes = Buffer.allocUnsafe(runs.length * WANTED_BYTES);
  for (const [index, run] of runs.entries()) writeWanted(bytes, index * WANTED_BYTES, run);
  return bytes;
}

/** One run at an offset. */
export function writeWanted(bytes: Buffer, at: number, run: WantedRun): void {
  bytes.writeUInt32BE(run.first, at);
  bytes.writeUInt32BE(run.count, at + 4);
  bytes.writeUInt32BE(run.high, at + 8);
  bytes.writeUInt32BE(run.low, at + 12);
}

/** So many runs from an offset on; undefined when one is no run. */
export function readWanted(body: Buffer, at: number, count: number): WantedRun[] | undefined {
  const runs: WantedRun[] = [];
  for (let index = 0; index < count; index++) {
    const start = at + index * WANTED_BYTES;
    const run = {
      first: body.readUInt32BE(start),
      count: body.readUInt32BE(start + 4),
      high: body.readUInt32BE(start + 8),
      low: body.readUInt32BE(start + 12),
    };
    if (run.count === 0 || run.count > FETCH_BLOCKS_MAX) return undefined;
    runs.push(run);
  }
  return runs;
}
