// One NBD connection as a state machine: received bytes in, device calls and replies out. Requests are parsed in place
// and never copied unless the device has to wait; replies leave in one batch per chunk. No sockets, no files.
import { codeOf } from '../../common/errors.ts';
import { type ExportDescription, NbdHandshake } from './nbd-handshake.ts';
import {
  BLOCK_SIZE,
  COMMAND,
  COMMAND_FLAG,
  NBD_ERROR,
  REQUEST_BYTES,
  REQUEST_MAGIC,
  SIMPLE_REPLY_BYTES,
  SIMPLE_REPLY_MAGIC,
} from './nbd-protocol.ts';
import { ReplyBatch, type SendBatch } from './reply-batch.ts';

/** What a session serves; an image, or a fake. `undefined` is done, a promise is done when it is. */
export interface NbdDevice {
  tryRead(offset: number, into: Uint8Array): boolean;
  readLater(offset: number, length: number): Promise<Uint8Array>;
  /** May not keep `data`. */
  write(offset: number, data: Uint8Array, fua: boolean): Promise<void> | undefined;
  zero(offset: number, length: number, fua: boolean, keepRoom: boolean): Promise<void> | undefined;
  trim(offset: number, length: number, fua: boolean): Promise<void> | undefined;
  cache(offset: number, length: number): Promise<void> | undefined;
  flush(): Promise<void> | undefined;
}

/** The connection that a session speaks on. */
export interface NbdConnection {
  readonly send: SendBatch;
  /** Ends it after what was sent; nothing more is received. */
  end(): void;
  /** Ends it at once: the client broke the protocol. */
  drop(): void;
  /** Receiving may go on; after `isFull` had been true. */
  resume(): void;
}

/** QEMU has 16 under way, the kernel 128 per connection; a client that sends more waits at its socket. */
const WAITING_MAX = 1024;
/** Two of the largest writes and a little; a frozen image holds them all. */
const WAITING_BYTES_MAX = 80 * 2 ** 20;
/** Of replies that the client has not read: many times a unix socket's buffer, so that one that reads never waits. */
const UNSENT_BYTES_MAX = 8 * 2 ** 20;
const WORD = 2 ** 32;

interface Request {
  readonly flags: number;
  readonly type: number;
  readonly cookieHigh: number;
  readonly cookieLow: number;
  readonly offset: number;
  readonly length: number;
}

/** A write whose data has not come whole; `data` is absent when it is only to be skipped. */
interface PartialWrite {
  readonly request: Request;
  readonly data: Buffer | undefined;
  got: number;
}

const NOTHING = Buffer.alloc(0);

/** One client of one export. */
export class NbdSession {
  readonly #device: NbdDevice;
  readonly #bytes: number;
  readonly #connection: NbdConnection;
  readonly #replies: ReplyBatch;
  #handshake: NbdHandshake | undefined;
  #rest: Buffer = NOTHING;
  #partial: PartialWrite | undefined;
  #waiting = 0;
  #waitingBytes = 0;
  #unsentBytes = 0;
  #isParsing = false;
  /** A whole request may be left in `#rest`. */
  #stoppedEarly = false;
  /** What was received stays in `#rest` until less waits and less is unsent. */
  #isHeld = false;
  #ending = false;
  #ended = false;
  #flushQueued = false;

  constructor(device: NbdDevice, description: ExportDescription, connection: NbdConnection) {
    this.#device = device;
    this.#bytes = description.bytes;
    this.#connection = connection;
    this.#replies = new ReplyBatch((bytes, sent) => this.#send(bytes, sent));
    this.#handshake = new NbdHandshake(description, (bytes) => this.#send(bytes, () => undefined));
  }

  /** So much waits, or is unsent, that the connection should not be read until `resume`. */
  get isFull(): boolean {
    return this.#isHeld;
  }

  /** Takes a received chunk, which may be overwritten after the call. */
  receive(chunk: Buffer): void {
    if (this.#ending || this.#ended) return;
    this.#parse(this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]));
  }

  #parse(received: Buffer): void {
    this.#isParsing = true;
    let input = received;
    do {
      const used = this.#handshake === undefined ? this.#requests(input) : this.#negotiate(this.#handshake, input);
      // Mostly less than a request's header or an option: payloads have buffers of their own.
      this.#rest = used === input.length ? NOTHING : Buffer.from(input.subarray(used));
      this.#replies.flush();
      input = this.#rest;
    } while (this.#stoppedEarly && !this.#isOverLimit);
    this.#isParsing = false;
    this.#isHeld = this.#isOverLimit;
  }

  get #isOverLimit(): boolean {
    const isWaitingFull = this.#waiting >= WAITING_MAX || this.#waitingBytes >= WAITING_BYTES_MAX;
    return isWaitingFull || this.#unsentBytes >= UNSENT_BYTES_MAX;
  }

  /** Less waits, or less is unsent: what was held back goes on, and then the connection. */
  #goOn(): void {
    if (!this.#isHeld || this.#isParsing || this.#isOverLimit || this.#ending || this.#ended) return;
    this.#parse(this.#rest);
    if (!this.#isHeld) this.#connection.resume();
  }

  #send(bytes: Buffer, sent: () => void): void {
    this.#unsentBytes += bytes.length;
    this.#connection.send(bytes, () => {
      this.#unsentBytes -= bytes.length;
      sent();
      this.#goOn();
    });
  }

  /** The connection is gone: answers to what still waits are dropped. */
  close(): void {
    this.#ended = true;
  }

  #negotiate(handshake: NbdHandshake, input: Buffer): number {
    const { used, next } = handshake.receive(input);
    if (next === 'drop') {
      this.#ended = true;
      this.#connection.end();
    }
    if (next !== 'export') return used;
    this.#handshake = undefined;
    return used + this.#requests(input.subarray(used));
  }

  #requests(input: Buffer): number {
    let used = this.#fillPartial(input);
    this.#stoppedEarly = false;
    while (input.length - used >= REQUEST_BYTES && !this.#ending && !this.#ended) {
      this.#stoppedEarly = this.#isOverLimit;
      if (this.#stoppedEarly) break;
      used += this.#request(input, used);
    }
    return this.#ending || this.#ended ? input.length : used;
  }

  /** Takes one request, and its data as far as it is there. */
  #request(input: Buffer, at: number): number {
    if (input.readUInt32BE(at) !== REQUEST_MAGIC) {
      this.#drop();
      return 0;
    }
    const request: Request = {
      flags: input.readUInt16BE(at + 4),
      type: input.readUInt16BE(at + 6),
      cookieHigh: input.readUInt32BE(at + 8),
      cookieLow: input.readUInt32BE(at + 12),
      offset: input.readUInt32BE(at + 16) * WORD + input.readUInt32BE(at + 20),
      length: input.readUInt32BE(at + 24),
    };
    const start = at + REQUEST_BYTES;
    if (request.type !== COMMAND.WRITE) {
      this.#dispatch(request, NOTHING);
      return REQUEST_BYTES;
    }
    if (input.length - start >= request.length) {
      this.#dispatch(request, input.subarray(start, start + request.length));
      return REQUEST_BYTES + request.length;
    }
    const data = this.#faultOf(request) === 0 ? Buffer.allocUnsafeSlow(request.length) : undefined;
    this.#partial = { request, data, got: 0 };
    return REQUEST_BYTES + this.#fillPartial(input.subarray(start));
  }

  #fillPartial(input: Buffer): number {
    const partial = this.#partial;
    if (partial === undefined) return 0;
    const taken = Math.min(input.length, partial.request.length - partial.got);
    if (partial.data !== undefined) input.copy(partial.data, partial.got, 0, taken);
    partial.got += taken;
    if (partial.got === partial.request.length) {
      this.#partial = undefined;
      this.#dispatch(partial.request, partial.data ?? NOTHING);
    }
    return taken;
  }

  #dispatch(request: Request, data: Buffer): void {
    const fault = this.#faultOf(request);
    if (request.type === COMMAND.DISC) this.#disconnect();
    else if (fault !== 0) this.#reply(request, fault);
    else if (request.type === COMMAND.READ) this.#read(request);
    else this.#startChange(request, data);
  }

  #startChange(request: Request, data: Buffer): void {
    try {
      const answer = this.#change(request, data);
      if (answer === undefined) this.#reply(request, 0);
      else this.#await(request, answer, data.length);
    } catch (error) {
      this.#reply(request, errorNumber(error));
    }
  }

  #change(request: Request, data: Buffer): Promise<void> | undefined {
    const { type, offset, length } = request;
    const fua = (request.flags & COMMAND_FLAG.FUA) !== 0;
    if (type === COMMAND.FLUSH) return this.#device.flush();
    if (length === 0) return undefined;
    if (type === COMMAND.WRITE) return this.#device.write(offset, data, fua);
    if (type === COMMAND.TRIM) return this.#device.trim(offset, length, fua);
    if (type === COMMAND.CACHE) return this.#device.cache(offset, length);
    return this.#device.zero(offset, length, fua, (request.flags & COMMAND_FLAG.NO_HOLE) !== 0);
  }

  #read(request: Request): void {
    const room = this.#replies.take(SIMPLE_REPLY_BYTES + request.length);
    try {
      if (request.length === 0 || this.#device.tryRead(request.offset, room.subarray(SIMPLE_REPLY_BYTES))) {
        writeReply(room, request, 0);
      } else {
        this.#replies.giveBack(room.length);
        this.#readLater(request);
      }
    } catch (error) {
      this.#replies.giveBack(room.length);
      this.#reply(request, errorNumber(error));
    }
  }

  #readLater(request: Request): void {
    const reading = this.#device.readLater(request.offset, request.length).then((data) => {
      if (this.#ended) return;
      const room = this.#replies.take(SIMPLE_REPLY_BYTES + request.length);
      writeReply(room, request, 0);
      room.set(data, SIMPLE_REPLY_BYTES);
    });
    this.#await(request, reading, request.length, true);
  }

  /** Replies when the promise has settled; `replied` when the promise itself does so on success. */
  #await(request: Request, answer: Promise<void>, bytes: number, replied = false): void {
    this.#waiting++;
    this.#waitingBytes += bytes;
    const settle = (error: number): void => {
      this.#waiting--;
      this.#waitingBytes -= bytes;
      if (this.#ended) return;
      if (error !== 0 || !replied) this.#reply(request, error);
      this.#flushSoon();
      this.#goOn();
    };
    answer.then(
      () => settle(0),
      (error: unknown) => settle(errorNumber(error)),
    );
  }

  /** Replies that come due in one turn leave together. */
  #flushSoon(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => {
      this.#flushQueued = false;
      if (this.#ended) return;
      this.#replies.flush();
      if (this.#ending && this.#waiting === 0) this.#end();
    });
  }

  #reply(request: Request, error: number): void {
    writeReply(this.#replies.take(SIMPLE_REPLY_BYTES), request, error);
  }

  /** "NBD_CMD_DISC": outstanding requests are handled first. */
  #disconnect(): void {
    this.#ending = true;
    this.#replies.flush();
    if (this.#waiting === 0) this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#connection.end();
  }

  #drop(): void {
    this.#ended = true;
    this.#connection.drop();
  }

  /** The error of a request that must not reach the device ("Error values"), else 0. */
  #faultOf({ type, flags, offset, length }: Request): number {
    const allowed = type === COMMAND.WRITE_ZEROES ? COMMAND_FLAG.FUA | COMMAND_FLAG.NO_HOLE : COMMAND_FLAG.FUA;
    if (type > COMMAND.WRITE_ZEROES || (flags & ~allowed) !== 0) return NBD_ERROR.EINVAL;
    if (type === COMMAND.FLUSH) return offset === 0 && length === 0 ? 0 : NBD_ERROR.EINVAL;
    const carriesData = type === COMMAND.READ || type === COMMAND.WRITE;
    if (carriesData && length > BLOCK_SIZE.maximum) return NBD_ERROR.EINVAL;
    if (offset + length <= this.#bytes) return 0;
    return type === COMMAND.WRITE || type === COMMAND.WRITE_ZEROES ? NBD_ERROR.ENOSPC : NBD_ERROR.EINVAL;
  }
}

function writeReply(room: Buffer, request: Request, error: number): void {
  room.writeUInt32BE(SIMPLE_REPLY_MAGIC, 0);
  room.writeUInt32BE(error, 4);
  room.writeUInt32BE(request.cookieHigh, 8);
  room.writeUInt32BE(request.cookieLow, 12);
}

function errorNumber(error: unknown): number {
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return NBD_ERROR.ENOSPC;
    case 'EXPORT_ENDED':
      return NBD_ERROR.ESHUTDOWN;
    default:
      return NBD_ERROR.EIO;
  }
}
