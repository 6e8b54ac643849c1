// The resting form of a table: a head with its counts, then the slab's chunks as they lie in memory, each with a hash of
// its own, so that one is written while the next still changes, and read without looking at each entry. A codec; it opens
// nothing.
import { xxh64 } from '../../common/xxhash.ts';
import { ENTRY_BYTES, SEAL_BYTES } from './entry-slab.ts';
import { GROUP_BLOCKS } from './group-index.ts';

const MAGIC = Buffer.from('sctable3');
const HASH_BYTES = 8;
/** What `headBytes` needs to see. */
export const PREFIX_BYTES = MAGIC.length + HASH_BYTES + 4;
/** A head is some hundred bytes and some per holder. */
const HEAD_BYTES_MAX = 4 * 2 ** 20;

/** What a table adds up to. */
export interface TableCounts {
  readonly lastSequence: number;
  readonly entries: number;
  readonly digest: string;
  /** Blocks whose content is at this store. */
  readonly local: number;
  /** Blocks that only another holder is known to have, by its index. */
  readonly elsewhere: readonly (readonly [holder: number, blocks: number])[];
}

/** What a file begins with. */
export interface TableHead extends TableCounts {
  readonly blocks: number;
  readonly groups: number;
  readonly chunkGroups: number;
}

/** The head's bytes: magic, hash, length as u32 LE, JSON. */
export function encodeHead(head: TableHead): Buffer {
  const json = Buffer.from(JSON.stringify(head));
  const bytes = Buffer.concat([MAGIC, Buffer.alloc(PREFIX_BYTES - MAGIC.length), json]);
  bytes.writeUInt32LE(json.length, MAGIC.length + HASH_BYTES);
  bytes.writeBigUInt64LE(xxh64(bytes.subarray(MAGIC.length + HASH_BYTES)), MAGIC.length);
  return bytes;
}

/** How long the head is whose first bytes these are; undefined where no table begins so. */
export function headBytes(prefix: Buffer): number | undefined {
  if (prefix.length < PREFIX_BYTES || !prefix.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const bytes = PREFIX_BYTES + prefix.readUInt32LE(MAGIC.length + HASH_BYTES);
  return bytes > HEAD_BYTES_MAX ? undefined : bytes;
}

/** Reads what `encodeHead` made; undefined when it is anything else, or not as it was written. */
export function decodeHead(bytes: Buffer): TableHead | undefined {
  if (headBytes(bytes) !== bytes.length) return undefined;
  if (bytes.readBigUInt64LE(MAGIC.length) !== xxh64(bytes.subarray(MAGIC.length + HASH_BYTES))) return undefined;
  return JSON.parse(bytes.toString('utf8', PREFIX_BYTES)) as TableHead;
}

/** How many pieces there are of so many bytes each, one per chunk of the slab. */
export function piecesOf({ groups, chunkGroups }: Pick<TableHead, 'groups' | 'chunkGroups'>): {
  count: number;
  bytes: number;
} {
  return { count: Math.ceil(groups / chunkGroups), bytes: chunkGroups * GROUP_BLOCKS * ENTRY_BYTES + SEAL_BYTES };
}

/** Puts the hash of a chunk's bytes behind them. */
export function seal(piece: Uint8Array): void {
  viewOf(piece).setBigUint64(0, xxh64(piece.subarray(0, -SEAL_BYTES)), true);
}

/** Whether a chunk's bytes are as they were sealed. */
export function isSealed(piece: Uint8Array): boolean {
  return viewOf(piece).getBigUint64(0, true) === xxh64(piece.subarray(0, -SEAL_BYTES));
}

function viewOf(piece: Uint8Array): DataView {
  return new DataView(piece.buffer, piece.byteOffset + piece.length - SEAL_BYTES, SEAL_BYTES);
}
