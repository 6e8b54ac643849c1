// Replies in chunks ("Structured reply chunk message"): a read's zeros cost no bytes on the wire, an error says where,
// and a status has a form at all. A reply's chunks are written in one step and never fail half way.
import { ALLOCATION } from './meta-contexts.ts';
import type { NbdDevice } from './nbd-device.ts';
import { errorNumber } from './nbd-error.ts';
import { CHUNK, CHUNK_DONE, CHUNK_HEADER_BYTES, COMMAND_FLAG, STRUCTURED_REPLY_MAGIC } from './nbd-protocol.ts';
import type { Agreement, Request } from './nbd-request.ts';
import type { ReplyBatch } from './reply-batch.ts';
import { addSimpleReply, type Replies } from './simple-replies.ts';
import { StatusExtents } from './status-extents.ts';

const WORD = 2 ** 32;
/** Header and offset. */
const DATA_OVERHEAD_BYTES = CHUNK_HEADER_BYTES + 8;
/** Header, offset, size. */
const HOLE_BYTES = CHUNK_HEADER_BYTES + 12;
/** In place of a chunk's bytes: the device failed; or it cannot answer yet, after all. */
const FAILED = 0;
const UNREAD = -1;

/** The reply to a read that is being written: its bytes in the batch. */
interface Room {
  readonly request: Request;
  readonly start: number;
  readonly end: number;
  readonly mayWait: boolean;
}

export class StructuredReplies implements Replies {
  readonly dataOverhead = DATA_OVERHEAD_BYTES;
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
    addSimpleReply(this.#batch, request, 0);
  }

  fail(request: Request, error: number): void {
    const body = this.#begin(request, CHUNK.ERROR, 6, CHUNK_DONE);
    this.#batch.bytes.writeUInt32BE(error, body);
    this.#batch.bytes.writeUInt16BE(0, body + 4);
  }

  tryRead(request: Request, mayWait: boolean): boolean {
    const { offset, length, flags } = request;
    if (!this.#device.tryBeginRead(offset, length)) return false;
    const isWhole = (flags & COMMAND_FLAG.DF) !== 0 || this.#isDataOnly(offset, offset + length);
    const bytes = isWhole ? DATA_OVERHEAD_BYTES + length : this.#bytesInChunks(offset, offset + length);
    const start = this.#batch.take(bytes);
    const room = { request, start, end: start + bytes, mayWait };
    const isRead = isWhole ? this.#chunk(room, start, offset, offset + length, false) !== UNREAD : this.#chunks(room);
    if (!isRead) this.#batch.giveBack(bytes);
    return isRead;
  }

  writeDataHeader(bytes: Buffer, start: number, request: Request): void {
    writeHeader(bytes, start, request, CHUNK.OFFSET_DATA, 8 + request.length, CHUNK_DONE);
    writeOffset(bytes, start + CHUNK_HEADER_BYTES, request.offset);
  }

  data(request: Request, data: Uint8Array): void {
    const start = this.#batch.take(DATA_OVERHEAD_BYTES + data.length);
    this.writeDataHeader(this.#batch.bytes, start, request);
    this.#batch.bytes.set(data, start + DATA_OVERHEAD_BYTES);
  }

  /** One chunk per context that was selected. */
  status(request: Request): void {
    const { contexts } = this.#agreement;
    for (const [index, context] of contexts.entries()) {
      const extents = this.#extents.of(context.kind, request);
      const flags = index === contexts.length - 1 ? CHUNK_DONE : 0;
      const body = this.#begin(request, CHUNK.BLOCK_STATUS, 4 + extents.length, flags);
      this.#batch.bytes.writeUInt32BE(context.id, body);
      extents.copy(this.#batch.bytes, body + 4);
    }
  }

  /** The header of the next chunk, and room for its payload: where that begins. */
  #begin(request: Request, type: number, length: number, flags: number): number {
    const start = this.#batch.take(CHUNK_HEADER_BYTES + length);
    writeHeader(this.#batch.bytes, start, request, type, length, flags);
    return start + CHUNK_HEADER_BYTES;
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
  #chunks(room: Room): boolean {
    const { offset, length } = room.request;
    let used = 0;
    for (let at = offset; at < offset + length; ) {
      const next = this.#device.endOfStatus('allocation', at, offset + length);
      const written = this.#chunk(room, room.start + used, at, next, this.#isHole(at));
      if (written === UNREAD) return false;
      if (written === FAILED) return true;
      used += written;
      at = next;
    }
    return true;
  }

  /** One chunk of content and its bytes; `FAILED` when the reply has ended with an error instead. */
  #chunk({ request, end, mayWait }: Room, start: number, offset: number, endOffset: number, isHole: boolean): number {
    const { bytes } = this.#batch;
    const flags = endOffset === request.offset + request.length ? CHUNK_DONE : 0;
    const length = endOffset - offset;
    const body = start + CHUNK_HEADER_BYTES;
    if (isHole) {
      writeHeader(bytes, start, request, CHUNK.OFFSET_HOLE, 12, flags);
      writeOffset(bytes, body, offset);
      bytes.writeUInt32BE(length, body + 8);
      return HOLE_BYTES;
    }
    try {
      if (!this.#device.readNow(offset, bytes.subarray(body + 8, body + 8 + length), mayWait)) return UNREAD;
    } catch (error) {
      this.#batch.giveBack(end - start);
      this.#failAt(request, errorNumber(error), offset);
      return FAILED;
    }
    writeHeader(bytes, start, request, CHUNK.OFFSET_DATA, 8 + length, flags);
    writeOffset(bytes, body, offset);
    return DATA_OVERHEAD_BYTES + length;
  }

  /** What came before is good, nothing from the offset on. */
  #failAt(request: Request, error: number, offset: number): void {
    const body = this.#begin(request, CHUNK.ERROR_OFFSET, 14, CHUNK_DONE);
    this.#batch.bytes.writeUInt32BE(error, body);
    this.#batch.bytes.writeUInt16BE(0, body + 4);
    writeOffset(this.#batch.bytes, body + 6, offset);
  }
}

function writeHeader(bytes: Buffer, at: number, request: Request, type: number, length: number, flags: number): void {
  bytes.writeUInt32BE(STRUCTURED_REPLY_MAGIC, at);
  // Flags and type, each of 16 bits.
  bytes.writeUInt32BE(flags * 0x10000 + type, at + 4);
  bytes.writeUInt32BE(request.cookieHigh, at + 8);
  bytes.writeUInt32BE(request.cookieLow, at + 12);
  bytes.writeUInt32BE(length, at + 16);
}

function writeOffset(bytes: Buffer, at: number, offset: number): void {
  bytes.writeUInt32BE(Math.floor(offset / WORD), at);
  bytes.writeUInt32BE(offset % WORD, at + 4);
}
