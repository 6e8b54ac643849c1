// Whole messages and the byte stream between them: `decode` and `encode` of one message, and the reader that cuts a
// stream of chunks into messages. Must never wait, keep time or touch a socket.

import { Cursor } from './cursor.ts';
import type { WireError } from './error-codes.ts';
import { answerTo, ERROR_DATA_BYTES, type ErrorMessage } from './error-message.ts';
import { type BadCode, EncodeError, Malformed } from './faults.ts';
import { type Message, readBody, wireTypeOf, writeBody } from './message.ts';
import { MESSAGE_BYTES_MAX, Writer } from './writer.ts';

/** OpenFlow 1.3 on the wire (OpenFlow 1.3.5, 7.1). */
export const OPENFLOW_13 = 4;

/** version, type, length, xid (7.1). */
const HEADER_BYTES = 8;

/** OFPT_ERROR (7.1). */
const ERROR_TYPE = 1;

/** A whole, understood message. `bytes` is its length on the wire, header included. */
export interface Decoded {
  readonly kind: 'message';
  readonly message: Message;
  /** Transaction id of the header (OpenFlow 1.3.5, 7.1). */
  readonly xid: number;
  /** The header's version: 4, except for HELLO and ERROR, which any version may carry. */
  readonly version: number;
  readonly bytes: number;
}

/** The bytes are the beginning of a message; at least `bytesMissing` more are needed to say more. */
export interface NeedMore {
  readonly kind: 'more';
  readonly bytesMissing: number;
}

/**
 * Bytes of a peer that are not a message we understand. When `fatal` is true the stream cannot be cut into messages any
 * further and the connection must be closed; else the message may be skipped: it is `bytes` long.
 */
export interface Bad {
  readonly kind: 'bad';
  readonly code: BadCode;
  /** For a log: what was wrong, with the numbers. */
  readonly detail: string;
  readonly fatal: boolean;
  readonly xid: number;
  /** The header's message type, as the peer wrote it. */
  readonly wireType: number;
  readonly bytes: number;
  /** The OFPT_ERROR that answers it; `errorAnswer` makes the message. */
  readonly answer: WireError;
  /** A view of the first 64 bytes of it that have come, for that answer. */
  readonly head: Uint8Array;
}

/** What `decode` answers. */
export type Result = Decoded | NeedMore | Bad;

interface Header {
  readonly version: number;
  readonly wireType: number;
  readonly bytes: number;
  readonly xid: number;
}

/** A message as the bytes to send. Throws EncodeError when OpenFlow 1.3 cannot express it. */
export function encode(message: Message, xid: number): Uint8Array {
  try {
    return encoded(message, xid);
  } catch (error) {
    if (error instanceof EncodeError) throw error;
    // Only of a value that the types do not allow: something that a message has to have is missing, or of another kind.
    throw new EncodeError('no-message', `not a message: ${error instanceof Error ? error.message : error}`);
  }
}

function encoded(message: Message, xid: number): Uint8Array {
  const writer = new Writer();
  writer.u8(OPENFLOW_13, 'version');
  writer.u8(wireTypeOf(message.type), 'type');
  const length = writer.length();
  writer.u32(xid, 'xid');
  writeBody(writer, message);
  writer.setLength(length, 0);
  return writer.finish();
}

/**
 * Reads the one message that `bytes` begin with; what lies behind it is not looked at. Never throws on what a peer sent.
 * Byte strings in the message are views of `bytes`: copy what must outlive them. `bytesMax` caps a message's length.
 */
export function decode(bytes: Uint8Array, bytesMax: number = MESSAGE_BYTES_MAX): Result {
  return decodeNext(Cursor.over(bytes), bytesMax);
}

/** Reads the message at the cursor and steps behind it; the cursor stays where it is unless a whole message is there. */
function decodeNext(cursor: Cursor, bytesMax: number): Result {
  if (cursor.left < HEADER_BYTES) return { kind: 'more', bytesMissing: HEADER_BYTES - cursor.left };
  const ahead = cursor.fork();
  const header = readHeader(ahead);
  const fault = headerFault(header, bytesMax);
  if (fault !== undefined) {
    const head = cursor.fork().bytes(Math.min(cursor.left, ERROR_DATA_BYTES));
    return bad(header, fault, `header: version ${header.version}, length ${header.bytes}`, head);
  }
  if (cursor.left < header.bytes) return { kind: 'more', bytesMissing: header.bytes - cursor.left };
  const start = cursor.fork();
  cursor.skip(header.bytes);
  return decodeBody(ahead.part(header.bytes - HEADER_BYTES), header, start);
}

function readHeader(cursor: Cursor): Header {
  return { version: cursor.u8(), wireType: cursor.u8(), bytes: cursor.u16(), xid: cursor.u32() };
}

function headerFault(header: Header, bytesMax: number): BadCode | undefined {
  // HELLO and ERROR come before a version is agreed on (6.3.1).
  if (header.version !== OPENFLOW_13 && header.wireType > 1) return 'bad-version';
  return header.bytes < HEADER_BYTES || header.bytes > bytesMax ? 'bad-length' : undefined;
}

function decodeBody(body: Cursor, header: Header, start: Cursor): Decoded | Bad {
  try {
    const message = readBody(body, header.wireType);
    return { kind: 'message', message, xid: header.xid, version: header.version, bytes: header.bytes };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return bad(header, error, error.message, start.bytes(Math.min(header.bytes, ERROR_DATA_BYTES)));
  }
}

/** A fault in the header ends the stream; one in the body does not. */
function bad({ xid, wireType, bytes }: Header, fault: BadCode | Malformed, detail: string, head: Uint8Array): Bad {
  const inBody = fault instanceof Malformed;
  const code = inBody ? fault.code : fault;
  const answer = answerTo(code, inBody ? fault : undefined);
  return { kind: 'bad', code, detail, fatal: !inBody, xid, wireType, bytes, answer, head };
}

/**
 * The OFPT_ERROR that answers a bad message, to be sent with its xid; undefined for a bad OFPT_ERROR, since errors are not
 * answered. A fatal one may be answered too, before the connection is closed.
 */
export function errorAnswer({ wireType, answer, head }: Bad): ErrorMessage | undefined {
  return wireType === ERROR_TYPE ? undefined : { type: 'error', ...answer, data: head };
}

/**
 * Cuts a stream into messages. Holds at most one unfinished message, so at most `bytesMax` bytes; messages that lie
 * whole in a chunk are read in place, one that spans chunks is copied once.
 */
export class MessageReader {
  readonly #bytesMax: number;
  /** Beginning of an unfinished message: the header, then, once its length is known, room for the whole. */
  #held = new Uint8Array(HEADER_BYTES);
  #heldBytes = 0;
  #broken = false;

  constructor(bytesMax: number = MESSAGE_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** True once the stream cannot be cut further: `push` answers nothing more, the connection must be closed. */
  get broken(): boolean {
    return this.#broken;
  }

  /**
   * Takes the stream's next bytes and answers the messages that they finish, in order, with the bad ones among them.
   * Byte strings in the messages may be views of `chunk`, which must then not be written to again.
   */
  push(chunk: Uint8Array): (Decoded | Bad)[] {
    const results: (Decoded | Bad)[] = [];
    const cursor = Cursor.over(chunk);
    while (cursor.left > 0 && !this.#broken) {
      const result = this.#heldBytes > 0 ? this.#fill(cursor) : this.#inPlace(cursor);
      if (result.kind === 'more') continue;
      results.push(result);
      this.#broken = result.kind === 'bad' && result.fatal;
    }
    return results;
  }

  #inPlace(cursor: Cursor): Result {
    const result = decodeNext(cursor, this.#bytesMax);
    if (result.kind === 'more') {
      this.#held = new Uint8Array(cursor.left + result.bytesMissing);
      this.#take(cursor, cursor.left);
    }
    return result;
  }

  #fill(cursor: Cursor): Result {
    this.#take(cursor, Math.min(cursor.left, this.#held.length - this.#heldBytes));
    const result = decode(this.#held.subarray(0, this.#heldBytes), this.#bytesMax);
    if (result.kind === 'more') this.#makeRoom(result.bytesMissing);
    else this.#heldBytes = 0;
    return result;
  }

  #take(cursor: Cursor, count: number): void {
    this.#held.set(cursor.bytes(count), this.#heldBytes);
    this.#heldBytes += count;
  }

  /** Grows the held bytes from a header to the whole message; later calls find the room already there. */
  #makeRoom(bytesMissing: number): void {
    const bytes = this.#heldBytes + bytesMissing;
    if (bytes === this.#held.length) return;
    const whole = new Uint8Array(bytes);
    whole.set(this.#held.subarray(0, this.#heldBytes));
    this.#held = whole;
  }
}
