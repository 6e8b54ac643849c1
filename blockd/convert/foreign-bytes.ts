// The bytes of a file that somebody else made, and the one way in which such a file is refused. Reads what it is asked
// for and follows nothing that it finds.
import { OperationError } from '../../common/errors.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { BLOCKS_MAX } from '../table/version-run.ts';

/** A file, or a part of one. */
export interface ForeignBytes {
  readonly bytes: number;
  /** What there is of the range: shorter at the end. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** A file that is not taken, in one sentence. */
export function refused(
  why: string,
  remedy = 'Convert it to a plain file of its own where it was made.',
): OperationError {
  return new OperationError('IMAGE_REFUSED', `the file is refused: ${why}`, { remedy });
}

/** A header, whole. @throws OperationError IMAGE_REFUSED when the file ends before it does */
export async function readHeader(source: ForeignBytes, offset: number, length: number, what: string): Promise<Buffer> {
  const isInside = offset >= 0 && Number.isSafeInteger(offset) && offset + length <= source.bytes;
  const found = isInside ? await source.read(offset, length) : Buffer.alloc(0);
  if (found.length === length) return found;
  throw refused(`its ${what} at ${offset} is beyond its end (${source.bytes} bytes)`, 'Fetch it again; it is cut off.');
}

/** The size of the disk that a header speaks of. @throws OperationError IMAGE_REFUSED when no image can be so large */
export function diskBytes(said: bigint): number {
  const most = BLOCKS_MAX * BLOCK_BYTES;
  if (said > 0n && said <= BigInt(most)) return Number(said);
  throw refused(`its disk has ${said} bytes; an image has 1 to ${most}`, 'Make the disk smaller where it was made.');
}
