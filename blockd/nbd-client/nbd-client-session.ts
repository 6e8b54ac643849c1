// One connection to an NBD server as bytes: the negotiation, then any number of requests under way and their replies in
// whatever order they come. Opens nothing and keeps no time. Replies are simple ones: their header has the 16 bytes that a
// reply to the kernel's FUSE has, so that a read's data are handed on where they lie.
import {
  COMMAND,
  REQUEST_BYTES,
  REQUEST_MAGIC,
  SIMPLE_REPLY_BYTES,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from '../nbd/nbd-protocol.ts';
import { type ExportFacts, NbdClientHandshake } from './nbd-client-handshake.ts';
import { readChunk } from './status-replies.ts';

const WORD = 2 ** 32;
const NO_REPLY_OF_OURS = 'the server sent what is no reply to a request under way';
const NO_EXTENTS = Buffer.alloc(SIMPLE_REPLY_BYTES);

/** One request of a client ("Request message"); offset and length in bytes. */
export interface ClientRequest {
  /** Of COMMAND. */
  readonly type: number;
  /** Of COMMAND_FLAG. */
  readonly flags: number;
  readonly offset: number;
  readonly length: number;
  /** A write's: REQUEST_BYTES that the session writes its header into, then the data. Kept until it is answered. */
  readonly payload?: Buffer | undefined;
  /**
   * The answer: 0 or one of NBD_ERROR, and SIMPLE_REPLY_BYTES of room before a read's data. `reply` may be overwritten,
   * and is the session's again after the call. `isGivenUp`: it is nobody's answer, the server may still carry the request
   * out, and its payload must not change any more.
   */
  answered(error: number, reply: Buffer, isGivenUp?: boolean): void;
}

/** What a session tells its owner. */
export interface ClientEvents {
  /** Bytes to send, in this order. They must not change until they are sent. */
  send(bytes: Buffer): void;
  /** Requests may be made from now on. */
  ready(facts: ExportFacts): void;
  /** What came is not NBD, or the export was refused: this connection is to be closed. */
  failed(reason: string): void;
}

/** A connection's state; a new connection takes a new session. */
export class NbdClientSession {
  readonly #events: ClientEvents;
  readonly #underWay = new Map<number, ClientRequest>();
  /** What the chunks so far said of a request whose last one is yet to come. */
  readonly #told = new Map<number, { error: number; extents: Buffer }>();
  #handshake: NbdClientHandshake | undefined;
  #cookie = 0;
  #hasFailed = false;

  /** `withStatus`: for BLOCK_STATUS alone, whose reply is what `extentsOf` reads. */
  constructor(exportName: string, events: ClientEvents, withStatus = false) {
    this.#events = events;
    this.#handshake = new NbdClientHandshake(exportName, (bytes) => events.send(bytes), withStatus);
  }

  /** Those that were sent and not answered, oldest first. */
  get underWay(): readonly ClientRequest[] {
    return [...this.#underWay.values()];
  }

  /** Sends a request; to be called once the session is ready. */
  request(request: ClientRequest): void {
    this.#cookie = (this.#cookie + 1) % WORD;
    this.#underWay.set(this.#cookie, request);
    const bytes = request.payload ?? Buffer.allocUnsafe(REQUEST_BYTES);
    bytes.writeUInt32BE(REQUEST_MAGIC, 0);
    bytes.writeUInt16BE(request.flags, 4);
    bytes.writeUInt16BE(request.type, 6);
    bytes.writeUInt32BE(0, 8);
    bytes.writeUInt32BE(this.#cookie, 12);
    bytes.writeUInt32BE(Math.floor(request.offset / WORD), 16);
    bytes.writeUInt32BE(request.offset % WORD, 20);
    bytes.writeUInt32BE(request.length, 24);
    this.#events.send(bytes);
  }

  /** Takes whole messages off the input's front and says how many bytes they were; the rest is to be given again. */
  receive(input: Buffer): number {
    let used = this.#negotiate(input);
    while (!this.#hasFailed && this.#handshake === undefined && input.length - used >= SIMPLE_REPLY_BYTES) {
      const taken = this.#reply(input, used);
      if (taken === 0) break;
      used += taken;
    }
    return used;
  }

  #negotiate(input: Buffer): number {
    if (this.#handshake === undefined || this.#hasFailed) return 0;
    const step = this.#handshake.receive(input);
    if (step.next === 'failed') return this.#fail(step.reason);
    if (step.next === 'export') {
      this.#handshake = undefined;
      this.#events.ready(step.facts);
    }
    return step.used;
  }

  /** Bytes of the reply at `at`; 0 when it is not whole yet, or nothing that was asked for. */
  #reply(input: Buffer, at: number): number {
    if (input.readUInt32BE(at) === STRUCTURED_REPLY_MAGIC) return this.#chunk(input, at);
    const cookie = input.readUInt32BE(at + 12);
    const request = input.readUInt32BE(at + 8) === 0 ? this.#underWay.get(cookie) : undefined;
    if (input.readUInt32BE(at) !== SIMPLE_REPLY_MAGIC || request === undefined) {
      return this.#fail(NO_REPLY_OF_OURS);
    }
    const error = input.readUInt32BE(at + 4);
    const hasData = request.type === COMMAND.READ && error === 0;
    const bytes = SIMPLE_REPLY_BYTES + (hasData ? request.length : 0);
    if (input.length - at < bytes) return 0;
    this.#underWay.delete(cookie);
    request.answered(error, input.subarray(at, at + bytes));
    return bytes;
  }

  /** As `#reply`, for a chunk: a status may come in several. */
  #chunk(input: Buffer, at: number): number {
    const chunk = readChunk(input, at);
    if (chunk === 'more') return 0;
    const request = chunk === 'bad' ? undefined : this.#underWay.get(chunk.cookie);
    if (chunk === 'bad' || request?.type !== COMMAND.BLOCK_STATUS) return this.#fail(NO_REPLY_OF_OURS);
    const before = this.#told.get(chunk.cookie);
    const told = {
      error: chunk.error || (before?.error ?? 0),
      extents: chunk.extents ?? before?.extents ?? NO_EXTENTS,
    };
    this.#told.set(chunk.cookie, told);
    if (!chunk.isLast) return chunk.bytes;
    this.#told.delete(chunk.cookie);
    this.#underWay.delete(chunk.cookie);
    request.answered(told.error, told.extents);
    return chunk.bytes;
  }

  #fail(reason: string): number {
    this.#hasFailed = true;
    this.#events.failed(reason);
    return 0;
  }
}
