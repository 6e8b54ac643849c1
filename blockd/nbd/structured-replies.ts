// Replies in chunks ("Structured reply chunk message"): a read's zeros cost no bytes on the wire, an error says where,
// and a status has a form at all. A reply's chunks are written in one step and never fail half way.
import { ALLOCATION } from './meta-contexts.ts';
import type { NbdDevice } from './nbd-device.ts';
import { errorNumber } from './nbd-error.ts';
import {
  CHUNK,
  CHUNK_DONE,
  CHUNK_HEADER_BYTES,
  COMMAND_FLAG,
  SIMPLE_REPLY_BYTES,
  STRUCTURED_REPLY_MAGIC,
} from './nbd-protocol.ts';
import type { Agreement, Request } from './nbd-request.ts';
import type { ReplyBatch } from './reply-batch.ts';
import { type Replies, writeSimpleReply } from './simple-replies.ts';
import { StatusExtents } from './status-extents.ts';

const WORD = 2 ** 32;
/** Header and offset. */
const DATA_OVERHEAD_BYTES = CHUNK_HEADER_BYTES + 8;
/** Header, offset, size. */
const HOLE_BYTES = CHUNK_HEADER_BYTES + 12;
/** In place of a chunk's bytes: the device failed; or it cannot answer yet, after all. */
const FAILED = 0;
const UNREAD = -1;

export class StructuredReplies implements Replies {
  readonly #device: NbdDevice;
  readonly #batch: ReplyBatch;
  readonly #agreement: Agreement;
  readonly #extents: StatusExtents;

  constructor(device: NbdDevice, batch: ReplyBatch, agreement: Agreement) {
    this.#device = device;
    this.#batch = batch;
    this.#agreement = agreement;
    this.#extents = new StatusExtents(device);
  }

  /** A simple reply is allowed to all but reads, and is the shortest. */
  done(request: Request): void {
    writeSimpleReply(this.#batch.take(SIMPLE_REPLY_BYTES), request, 0);
  }

  fail(request: Request, error: number): void {
    const room = this.#batch.take(CHUNK_HEADER_BYTES + 6);
    writeHeader(room, 0, request, CHUNK.ERROR, 6, CHUNK_DONE);
    room.writeUInt32BE(error, CHUNK_HEADER_BYTES);
    room.writeUInt16BE(0, CHUNK_HEADER_BYTES + 4);
  }

  tryRead(request: Request): boolean {
    const { offset, length, flags } = request;
    if (length === 0) {
      writeHeader(this.#batch.take(CHUNK_HEADER_BYTES), 0, request, CHUNK.NONE, 0, CHUNK_DONE);
      return true;
    }
    if (!this.#device.tryBeginRead(offset, length)) return false;
    const isWhole = (flags & COMMAND_FLAG.DF) !== 0 || this.#isDataOnly(offset, offset + length);
    const bytes = isWhole ? DATA_OVERHEAD_BYTES + length : this.#bytesInChunks(offset, offset + length);
    const room = this.#batch.take(bytes);
    const isRead = isWhole
      ? this.#chunk(room, 0, request, offset, offset + length, false) !== UNREAD
      : this.#chunks(room, request);
    if (!isRead) this.#batch.giveBack(room.length);
    return isRead;
  }

  /** One chunk per context that was selected. */
  status(request: Request): void {
    const { contexts } = this.#agreement;
    for (const [index, context] of contexts.entries()) {
      const extents = this.#extents.of(context.kind, request);
      const room = this.#batch.take(CHUNK_HEADER_BYTES + 4 + extents.length);
      const flags = index === contexts.length - 1 ? CHUNK_DONE : 0;
      writeHeader(room, 0, request, CHUNK.BLOCK_STATUS, 4 + extents.length, flags);
      room.writeUInt32BE(context.id, CHUNK_HEADER_BYTES);
      extents.copy(room, CHUNK_HEADER_BYTES + 4);
    }
  }

  #isDataOnly(offset: number, end: number): boolean {
    return !this.#isHole(offset) && this.#device.endOfStatus('allocation', offset, end) === end;
  }

  #isHole(offset: number): boolean {
    return (this.#device.statusOf('allocation', offset) & ALLOCATION.ZERO) !== 0;
  }

  #bytesInChunks(offset: number, end: number): number {
    let bytes = 0;
    for (let at = offset; at < end; ) {
      const next = this.#device.endOfStatus('allocation', at, end);
      bytes += this.#isHole(at) ? HOLE_BYTES : DATA_OVERHEAD_BYTES + next - at;
      at = next;
    }
    return bytes;
  }

  /** False when some of it cannot be read at this moment. */
  #chunks(room: Buffer, request: Request): boolean {
    const end = request.offset + request.length;
    let used = 0;
    for (let at = request.offset; at < end; ) {
      const next = this.#device.endOfStatus('allocation', at, end);
      const written = this.#chunk(room, used, request, at, next, this.#isHole(at));
      if (written === UNREAD) return false;
      if (written === FAILED) return true;
      used += written;
      at = next;
    }
    return true;
  }

  /** One chunk of content and its bytes; `FAILED` when the reply has ended with an error instead. */
  #chunk(room: Buffer, start: number, request: Request, offset: number, end: number, isHole: boolean): number {
    const flags = end === request.offset + request.length ? CHUNK_DONE : 0;
    const length = end - offset;
    const body = start + CHUNK_HEADER_BYTES;
    if (isHole) {
      writeHeader(room, start, request, CHUNK.OFFSET_HOLE, 12, flags);
      writeOffset(room, body, offset);
      room.writeUInt32BE(length, body + 8);
      return HOLE_BYTES;
    }
    try {
      if (!this.#device.readNow(offset, room.subarray(body + 8, body + 8 + length))) return UNREAD;
    } catch (error) {
      this.#batch.giveBack(room.length - start);
      this.#failAt(request, errorNumber(error), offset);
      return FAILED;
    }
    writeHeader(room, start, request, CHUNK.OFFSET_DATA, 8 + length, flags);
    writeOffset(room, body, offset);
    return DATA_OVERHEAD_BYTES + length;
  }

  /** What came before is good, nothing from the offset on. */
  #failAt(request: Request, error: number, offset: number): void {
    const room = this.#batch.take(CHUNK_HEADER_BYTES + 14);
    writeHeader(room, 0, request, CHUNK.ERROR_OFFSET, 14, CHUNK_DONE);
    room.writeUInt32BE(error, CHUNK_HEADER_BYTES);
    room.writeUInt16BE(0, CHUNK_HEADER_BYTES + 4);
    writeOffset(room, CHUNK_HEADER_BYTES + 6, offset);
  }
}

function writeHeader(room: Buffer, at: number, request: Request, type: number, length: number, flags: number): void {
  room.writeUInt32BE(STRUCTURED_REPLY_MAGIC, at);
  // Flags and type, each of 16 bits.
  room.writeUInt32BE(flags * 0x10000 + type, at + 4);
  room.writeUInt32BE(request.cookieHigh, at + 8);
  room.writeUInt32BE(request.cookieLow, at + 12);
  room.writeUInt32BE(length, at + 16);
}

function writeOffset(room: Buffer, at: number, offset: number): void {
  room.writeUInt32BE(Math.floor(offset / WORD), at);
  room.writeUInt32BE(offset % WORD, at + 4);
}
