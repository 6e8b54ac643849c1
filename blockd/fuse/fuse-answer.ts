// Messages to the kernel and values in messages from it. A codec: it keeps nothing. 64-bit values are numbers, in halves.
import { DATA_BYTES_MAX, INIT_FLAG, KERNEL_MAJOR, OUT_HEADER_BYTES, OWN_MINOR, PAGES_MAX } from './fuse-protocol.ts';

const WORD = 2 ** 32;
const SECTOR_BYTES = 512;
const BLOCK_BYTES = 4096;
const ATTR_BYTES = 88;
const ENTRY_HEAD_BYTES = 40;
const ATTR_HEAD_BYTES = 16;
const INIT_OUT_BYTES = 64;
const STATFS_BYTES = 80;
const OPEN_OUT_BYTES = 16;
const DIRENT_HEAD_BYTES = 24;
const NAME_BYTES_MAX = 255;
/** Asynchronous requests under way at once, and from when on the kernel holds its writers back. */
const BACKGROUND_MAX = 64;
const CONGESTION = 48;

/** Whose answer it is ("fuse_in_header", unique), in two words. */
export interface Unique {
  readonly uniqueLow: number;
  readonly uniqueHigh: number;
}

/** What stat(2) tells; times in seconds since 1970. */
export interface Attributes {
  readonly node: number;
  readonly bytes: number;
  /** What of them is no hole. */
  readonly usedBytes: number;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly changedSeconds: number;
}

/** A name in a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly node: number;
  /** Of FILE_TYPE. */
  readonly type: number;
}

export function readLong(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * WORD + bytes.readUInt32LE(at);
}

function writeLong(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value % WORD, at);
  bytes.writeUInt32LE(Math.floor(value / WORD), at + 4);
}

/** Puts the header of a whole answer, `bytes.length` long, at its front. `error`: 0 or an error number. */
export function writeHeader(bytes: Buffer, { uniqueLow, uniqueHigh }: Unique, error = 0): Buffer {
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeInt32LE(error === 0 ? 0 : -error, 4);
  bytes.writeUInt32LE(uniqueLow, 8);
  bytes.writeUInt32LE(uniqueHigh, 12);
  return bytes;
}

function answer(bodyBytes: number): Buffer {
  return Buffer.alloc(OUT_HEADER_BYTES + bodyBytes);
}

/** An answer without a body. */
export function emptyAnswer(to: Unique, error = 0): Buffer {
  return writeHeader(answer(0), to, error);
}

/** "fuse_write_out": how much was taken. */
export function writtenAnswer(to: Unique, count: number): Buffer {
  const bytes = answer(8);
  bytes.writeUInt32LE(count, OUT_HEADER_BYTES);
  return writeHeader(bytes, to);
}

/** "fuse_lseek_out": where it is. */
export function seekAnswer(to: Unique, offset: number): Buffer {
  const bytes = answer(8);
  writeLong(bytes, OUT_HEADER_BYTES, offset);
  return writeHeader(bytes, to);
}

/** "fuse_init_out": `offered` are the kernel's flags, of which those that both sides know are taken. */
export function initAnswer(to: Unique, offered: number): Buffer {
  const F = INIT_FLAG;
  const wanted = F.ASYNC_READ | F.BIG_WRITES | F.ASYNC_DIO | F.PARALLEL_DIROPS | F.MAX_PAGES;
  const bytes = answer(INIT_OUT_BYTES);
  const at = OUT_HEADER_BYTES;
  bytes.writeUInt32LE(KERNEL_MAJOR, at);
  bytes.writeUInt32LE(OWN_MINOR, at + 4);
  bytes.writeUInt32LE(0, at + 8);
  bytes.writeUInt32LE((offered & wanted) >>> 0, at + 12);
  bytes.writeUInt16LE(BACKGROUND_MAX, at + 16);
  bytes.writeUInt16LE(CONGESTION, at + 18);
  bytes.writeUInt32LE(DATA_BYTES_MAX, at + 20);
  bytes.writeUInt32LE(1, at + 24);
  bytes.writeUInt16LE(PAGES_MAX, at + 28);
  return writeHeader(bytes, to);
}

/** "fuse_attr_out". Nothing is valid for any time: sizes and names are the server's, which may be another one next. */
export function attributesAnswer(to: Unique, attributes: Attributes): Buffer {
  const bytes = answer(ATTR_HEAD_BYTES + ATTR_BYTES);
  writeAttributes(bytes, OUT_HEADER_BYTES + ATTR_HEAD_BYTES, attributes);
  return writeHeader(bytes, to);
}

/** "fuse_entry_out", valid for no time either. */
export function entryAnswer(to: Unique, attributes: Attributes): Buffer {
  const bytes = answer(ENTRY_HEAD_BYTES + ATTR_BYTES);
  writeLong(bytes, OUT_HEADER_BYTES, attributes.node);
  writeAttributes(bytes, OUT_HEADER_BYTES + ENTRY_HEAD_BYTES, attributes);
  return writeHeader(bytes, to);
}

function writeAttributes(bytes: Buffer, at: number, attributes: Attributes): void {
  const { node, bytes: size, usedBytes, mode, links, uid, gid, changedSeconds } = attributes;
  writeLong(bytes, at, node);
  writeLong(bytes, at + 8, size);
  writeLong(bytes, at + 16, Math.ceil(usedBytes / SECTOR_BYTES));
  for (const time of [24, 32, 40]) writeLong(bytes, at + time, changedSeconds);
  bytes.writeUInt32LE(mode, at + 60);
  bytes.writeUInt32LE(links, at + 64);
  bytes.writeUInt32LE(uid, at + 68);
  bytes.writeUInt32LE(gid, at + 72);
  bytes.writeUInt32LE(BLOCK_BYTES, at + 80);
}

/** "fuse_open_out". `flags`: of OPEN_FLAG. */
export function openAnswer(to: Unique, handle: number, flags: number): Buffer {
  const bytes = answer(OPEN_OUT_BYTES);
  writeLong(bytes, OUT_HEADER_BYTES, handle);
  bytes.writeUInt32LE(flags, OUT_HEADER_BYTES + 8);
  return writeHeader(bytes, to);
}

/** "fuse_kstatfs": as large as its images together, and full. */
export function statfsAnswer(to: Unique, totalBytes: number, files: number): Buffer {
  const bytes = answer(STATFS_BYTES);
  const at = OUT_HEADER_BYTES;
  writeLong(bytes, at, Math.ceil(totalBytes / BLOCK_BYTES));
  writeLong(bytes, at + 24, files);
  bytes.writeUInt32LE(BLOCK_BYTES, at + 40);
  bytes.writeUInt32LE(NAME_BYTES_MAX, at + 44);
  bytes.writeUInt32LE(BLOCK_BYTES, at + 48);
  return writeHeader(bytes, to);
}

/** "fuse_dirent"s from the entry `from` on, as many as fit into `roomBytes`; an entry's offset is its successor's place. */
export function directoryAnswer(
  to: Unique,
  entries: readonly DirectoryEntry[],
  from: number,
  roomBytes: number,
): Buffer {
  const parts: Buffer[] = [answer(0)];
  let used = 0;
  for (const [index, { name, node, type }] of entries.slice(from).entries()) {
    const text = Buffer.from(name, 'utf8');
    const entry = Buffer.alloc(Math.ceil((DIRENT_HEAD_BYTES + text.length) / 8) * 8);
    if (used + entry.length > roomBytes) break;
    writeLong(entry, 0, node);
    writeLong(entry, 8, from + index + 1);
    entry.writeUInt32LE(text.length, 16);
    // The type's upper bits (DT_DIR, DT_REG of dirent.h).
    entry.writeUInt32LE(type >> 12, 20);
    text.copy(entry, DIRENT_HEAD_BYTES);
    parts.push(entry);
    used += entry.length;
  }
  return writeHeader(Buffer.concat(parts), to);
}
