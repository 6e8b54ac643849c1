// What a server says of its bytes without giving them ("base:allocation"): the chunks in which it comes ("Structured reply chunk message"). A codec: it keeps nothing.
import { ALLOCATION } from '../nbd/meta-contexts.ts';
import {
  CHUNK,
  CHUNK_DONE,
  CHUNK_HEADER_BYTES,
  SIMPLE_REPLY_BYTES,
  STRUCTURED_REPLY_MAGIC,
} from '../nbd/nbd-protocol.ts';

/** The context's number, then extents of length and flags. */
const CONTEXT_BYTES = 4;
const EXTENT_BYTES = 8;
/** Whoever sends more of a status than 100,000 extents is no server. */
const CHUNK_BYTES_MAX = 2 ** 20;
const ERROR_BIT = 0x8000;

/** A chunk of a reply that is not a simple one. */
export interface StatusChunk {
  readonly cookie: number;
  readonly isLast: boolean;
  /** 0, or one of NBD_ERROR. */
  readonly error: number;
  /** Of the context that was chosen: SIMPLE_REPLY_BYTES of room, then the extents as they came. */
  readonly extents: Buffer | undefined;
  readonly bytes: number;
}

/** The chunk that begins at `at`: `more` while it is not whole, `bad` when it is none. */
export function readChunk(input: Buffer, at: number): StatusChunk | 'more' | 'bad' {
  if (input.length - at < CHUNK_HEADER_BYTES) return 'more';
  const length = input.readUInt32BE(at + 16);
  const isOne = input.readUInt32BE(at) === STRUCTURED_REPLY_MAGIC && input.readUInt32BE(at + 8) === 0;
  if (!isOne || length > CHUNK_BYTES_MAX) return 'bad';
  const bytes = CHUNK_HEADER_BYTES + length;
  if (input.length - at < bytes) return 'more';
  const type = input.readUInt16BE(at + 6);
  const body = input.subarray(at + CHUNK_HEADER_BYTES, at + bytes);
  const isError = (type & ERROR_BIT) !== 0;
  const isStatus = type === CHUNK.BLOCK_STATUS && length >= CONTEXT_BYTES + EXTENT_BYTES;
  if (isError ? length < 4 : type !== CHUNK.NONE && !isStatus) return 'bad';
  return {
    cookie: input.readUInt32BE(at + 12),
    isLast: (input.readUInt16BE(at + 4) & CHUNK_DONE) !== 0,
    error: isError ? body.readUInt32BE(0) : 0,
    extents: isStatus ? Buffer.concat([Buffer.alloc(SIMPLE_REPLY_BYTES), body.subarray(CONTEXT_BYTES)]) : undefined,
    bytes,
  };
}

/** A part of an export. */
export interface Extent {
  readonly bytes: number;
  /** Its bytes are zeros. */
  readonly isZero: boolean;
}

/** The extents of a status reply, from the offset that was asked on. */
export function extentsOf(reply: Buffer): Extent[] {
  const extents: Extent[] = [];
  for (let at = SIMPLE_REPLY_BYTES; at + EXTENT_BYTES <= reply.length; at += EXTENT_BYTES) {
    extents.push({ bytes: reply.readUInt32BE(at), isZero: (reply.readUInt32BE(at + 4) & ALLOCATION.ZERO) !== 0 });
  }
  return extents;
}
