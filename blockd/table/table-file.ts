// The resting form of a table: its slab's arrays as they are, behind a header with its counts and a hash of it all, so that
// the table of a large image is read without looking at each entry. A codec; it opens nothing.
import { hashOf } from './block-checksum.ts';
import { EntrySlab } from './entry-slab.ts';

const MAGIC = Buffer.from('sctable2');
const HASH_BYTES = 8;
const PREFIX_BYTES = MAGIC.length + HASH_BYTES + 4;
/** Bytes of an entry in memory and in the file, its share of its group's number included. */
export const ENTRY_BYTES = 15.5;

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

interface Header extends TableCounts {
  readonly blocks: number;
  readonly groups: number;
}

/** The table's bytes; `flagsKept` says which of an entry's flags mean anything on a disk. */
export function encodeTable(slab: EntrySlab, counts: TableCounts, flagsKept: number): Buffer {
  const header = Buffer.from(JSON.stringify({ ...counts, blocks: slab.blocks, groups: slab.groups }));
  const fields = slab.chunks.flatMap((chunk, index) => {
    const groups = groupsIn(slab.chunkGroups, slab.groups, index);
    const parts = [chunk.high, chunk.low, chunk.sum, chunk.holder].map((array) => bytesOf(array, groups * 8));
    const flags = chunk.flags.subarray(0, groups * 8).map((value) => value & flagsKept);
    return [...parts, flags, bytesOf(chunk.owner, groups)];
  });
  const prefix = Buffer.alloc(PREFIX_BYTES);
  const bytes = Buffer.concat([prefix, header, ...fields]);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(header.length, MAGIC.length + HASH_BYTES);
  bytes.writeBigUInt64LE(hashOf(bytes.subarray(MAGIC.length + HASH_BYTES)), MAGIC.length);
  return bytes;
}

/** Reads what `encodeTable` made; undefined when it is anything else, or not as it was written. */
export function decodeTable(blocks: number, bytes: Buffer): { slab: EntrySlab; counts: TableCounts } | undefined {
  if (bytes.length < PREFIX_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (bytes.readBigUInt64LE(MAGIC.length) !== hashOf(bytes.subarray(MAGIC.length + HASH_BYTES))) return undefined;
  const start = PREFIX_BYTES + bytes.readUInt32LE(MAGIC.length + HASH_BYTES);
  const header = JSON.parse(bytes.toString('utf8', PREFIX_BYTES, start)) as Header;
  if (header.blocks > blocks) return undefined;
  const slab = new EntrySlab(blocks);
  return fill(slab, header, bytes.subarray(start)) && slab.adopt() ? { slab, counts: header } : undefined;
}

function fill(slab: EntrySlab, header: Header, bytes: Buffer): boolean {
  let at = 0;
  const take = (array: Uint8Array): void => {
    array.set(bytes.subarray(at, at + array.length));
    at += array.length;
  };
  for (let index = 0; slab.groups < header.groups; index++) {
    const groups = groupsIn(slab.chunkGroups, header.groups, index);
    const chunk = slab.growBy(groups);
    for (const array of [chunk.high, chunk.low, chunk.sum, chunk.holder, chunk.flags]) take(bytesOf(array, groups * 8));
    take(bytesOf(chunk.owner, groups));
  }
  return at === bytes.length;
}

function groupsIn(chunkGroups: number, groups: number, index: number): number {
  return Math.min(chunkGroups, groups - index * chunkGroups);
}

function bytesOf(array: Uint32Array | Uint16Array | Uint8Array, length: number): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, length * array.BYTES_PER_ELEMENT);
}
