// One NBD connection as a state machine: received bytes in, device calls and replies out. Requests are parsed in place
// and never copied unless the device has to wait; replies leave in one batch per chunk. No sockets, no files.
import type { BatchReads } from '../../common/disk/file-reads.ts';
import type { Others } from '../../common/disk/later-reads.ts';
import type { NbdDevice } from './nbd-device.ts';
import { type ExportDescription, NbdHandshake } from './nbd-handshake.ts';
import { COMMAND, REQUEST_BYTES } from './nbd-protocol.ts';
import { type Request, readRequest } from './nbd-request.ts';
import { NbdTransmission } from './nbd-transmission.ts';
import { ReplyBatch, type SendBatch } from './reply-batch.ts';

/** The connection that a session speaks on. */
export interface NbdConnection {
  readonly send: SendBatch;
  /** Present: the device's files may be read by this. */
  readonly reads?: BatchReads | undefined;
  /** Which other clients wait for the same thread; none if absent. */
  others?(): Others;
  /** Ends it after what was sent; nothing more is received. */
  end(): void;
  /** Ends it at once: the client broke the protocol. */
  drop(): void;
  /** Receiving may go on; after `isFull` had been true. */
  resume(): void;
  /** What comes after what was sent is TLS; `receive` then gets what was inside. Present: clients must begin so. */
  startTls?(): void;
  /** Told why, when the client is let go for what it sent. */
  refused?(why: string): void;
  /** The client went to the export of this name. */
  chose?(name: string): void;
}

/** An export that clients may go to. */
export interface ExportOffer {
  readonly device: NbdDevice;
  readonly description: ExportDescription;
}

/** Of replies that the client has not read: many times a unix socket's buffer, so that one that reads never waits. */
const UNSENT_BYTES_MAX = 8 * 2 ** 20;

/** Room for a payload that comes in pieces stays with the connection up to this: qemu-img's largest write. */
const PAYLOAD_KEPT_BYTES = 2 ** 21;

/** A smaller rest of a payload is copied from the chunk that it comes in, with what stands behind it. */
const PAYLOAD_REST_BYTES_MIN = 64 * 1024;

/** A write whose data has not come whole; `data` is absent when it is only to be skipped. */
interface PartialWrite {
  readonly request: Request;
  readonly data: Buffer | undefined;
  got: number;
}

const NOTHING = Buffer.alloc(0);

/** One client of one export. */
export class NbdSession {
  readonly #offers: readonly ExportOffer[];
  readonly #connection: NbdConnection;
  readonly #replies: ReplyBatch;
  #handshake: NbdHandshake | undefined;
  #rest: Buffer = NOTHING;
  #partial: PartialWrite | undefined;
  #payload: Buffer = NOTHING;
  #transmission: NbdTransmission | undefined;
  #unsentBytes = 0;
  #isParsing = false;
  /** A whole request may be left in `#rest`. */
  #stoppedEarly = false;
  /** What was received stays in `#rest` until less waits and less is unsent. */
  #isHeld = false;
  #ending = false;
  #ended = false;
  #flushQueued = false;
  #chunkRequests = 0;

  /** `others` are offered too. */
  constructor(
    device: NbdDevice,
    description: ExportDescription,
    connection: NbdConnection,
    others: readonly ExportOffer[] = [],
  ) {
    this.#offers = [{ device, description }, ...others];
    this.#connection = connection;
    this.#replies = new ReplyBatch((bytes, sent) => this.#send(bytes, sent));
    const send = (bytes: Buffer): void => this.#send(bytes, () => undefined);
    const descriptions = this.#offers.map((offer) => offer.description);
    this.#handshake = new NbdHandshake(descriptions, send, connection.startTls !== undefined);
  }

  /** So much waits, or is unsent, that the connection should not be read until `resume`. */
  get isFull(): boolean {
    return this.#isHeld;
  }

  /** The client sends on without waiting for replies, as far as the last chunk told. */
  get isPipelined(): boolean {
    return this.#chunkRequests > 1 || this.#transmission?.readsBeside === true;
  }

  get readsDisk(): boolean {
    return this.#transmission?.readsDisk === true;
  }

  get missesCache(): boolean {
    return this.#transmission?.missesCache === true;
  }

  /** Takes a received chunk, which may be overwritten after the call. */
  receive(chunk: Buffer): void {
    this.take(chunk);
    this.flush();
  }

  /** As `receive`, but `flush` follows when no more chunks come at once: replies of several leave together. */
  take(chunk: Buffer): void {
    if (this.#ending || this.#ended) return;
    this.#chunkRequests = 0;
    this.#parse(this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]));
  }

  flush(): void {
    while (!this.#ending && !this.#ended) {
      this.#isParsing = true;
      this.#replies.flush();
      this.#isParsing = false;
      this.#isHeld = this.#isOverLimit;
      if (this.#isHeld || !this.#stoppedEarly) return;
      this.#parse(this.#rest);
    }
  }

  /** The rest of a large payload that is on its way: bytes that come next may be put there, and `filled` tells how many. */
  get payloadRoom(): Buffer | undefined {
    const { data, got = 0 } = this.#partial ?? {};
    return data === undefined || this.#isHeld || data.length - got < PAYLOAD_REST_BYTES_MIN
      ? undefined
      : data.subarray(got);
  }

  filled(bytes: number): void {
    if (this.#partial === undefined || this.#ending || this.#ended) return;
    this.#partial.got += bytes;
    this.#endPartial(this.#partial);
  }

  #parse(received: Buffer): void {
    this.#isParsing = true;
    const used = this.#handshake === undefined ? this.#requests(received) : this.#negotiate(this.#handshake, received);
    // Mostly less than a request's header or an option: payloads have buffers of their own.
    this.#rest = used === received.length ? NOTHING : Buffer.from(received.subarray(used));
    this.#isParsing = false;
    this.#isHeld = this.#isOverLimit;
  }

  get #isOverLimit(): boolean {
    return this.#transmission?.isFull === true || this.#unsentBytes >= UNSENT_BYTES_MAX;
  }

  /** Less waits, or less is unsent: what was held back goes on, and then the connection. */
  #goOn(): void {
    if (!this.#isHeld || this.#isParsing || this.#isOverLimit || this.#ending || this.#ended) return;
    this.#parse(this.#rest);
    this.flush();
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
    this.#transmission?.close();
  }

  /** The client is to come again: what it has asked is answered, and nothing more is taken of it. */
  release(): void {
    if (!this.#ending && !this.#ended) this.#disconnect();
  }

  #negotiate(handshake: NbdHandshake, input: Buffer): number {
    const { used, next } = handshake.receive(input);
    if (next === 'drop') this.#leave(handshake.refusal);
    // What came along in the clear could be anybody's, and would be taken for something said inside.
    if (next === 'tls' && used < input.length) this.#drop('it sends more in the clear behind its word that TLS begins');
    else if (next === 'tls') this.#connection.startTls?.();
    const offer = this.#offers.find(({ description }) => description === handshake.chosen);
    if (next !== 'export' || offer === undefined) return used;
    this.#handshake = undefined;
    this.#connection.chose?.(offer.description.name);
    this.#transmission = new NbdTransmission({
      device: offer.device,
      agreement: handshake.agreement,
      batch: this.#replies,
      reads: this.#connection.reads,
      others: () => this.#connection.others?.() ?? 'none',
      settled: () => {
        this.#flushSoon();
        this.#goOn();
      },
    });
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
    const request = readRequest(input, at);
    if (request === undefined) {
      this.#drop('what it sends is no request of the protocol');
      return 0;
    }
    const start = at + REQUEST_BYTES;
    if (request.type !== COMMAND.WRITE) {
      this.#dispatch(request, NOTHING);
      return REQUEST_BYTES;
    }
    if (input.length - start >= request.length) {
      this.#dispatch(request, input.subarray(start, start + request.length));
      return REQUEST_BYTES + request.length;
    }
    const isKept = this.#transmission?.isSound(request) === true;
    this.#partial = { request, data: isKept ? this.#roomFor(request.length) : undefined, got: 0 };
    return REQUEST_BYTES + this.#fillPartial(input.subarray(start));
  }

  /** One payload is on its way at a time, and the device keeps none: the room is used again. */
  #roomFor(bytes: number): Buffer {
    if (bytes > PAYLOAD_KEPT_BYTES) return Buffer.allocUnsafeSlow(bytes);
    if (this.#payload.length < bytes) this.#payload = Buffer.allocUnsafeSlow(bytes);
    return this.#payload.subarray(0, bytes);
  }

  #fillPartial(input: Buffer): number {
    const partial = this.#partial;
    if (partial === undefined) return 0;
    const taken = Math.min(input.length, partial.request.length - partial.got);
    if (partial.data !== undefined) input.copy(partial.data, partial.got, 0, taken);
    partial.got += taken;
    this.#endPartial(partial);
    return taken;
  }

  #endPartial(partial: PartialWrite): void {
    if (partial.got < partial.request.length) return;
    this.#partial = undefined;
    this.#dispatch(partial.request, partial.data ?? NOTHING);
  }

  #dispatch(request: Request, data: Buffer): void {
    this.#chunkRequests++;
    if (request.type === COMMAND.DISC) this.#disconnect();
    else this.#transmission?.run(request, data);
  }

  /** Replies that come due in one turn leave together. */
  #flushSoon(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => {
      this.#flushQueued = false;
      if (this.#ended) return;
      this.#replies.flush();
      if (this.#ending && this.#transmission?.isIdle !== false) this.#end();
    });
  }

  /** "NBD_CMD_DISC": outstanding requests are handled first. */
  #disconnect(): void {
    this.#ending = true;
    this.#replies.flush();
    if (this.#transmission?.isIdle !== false) this.#end();
  }

  #end(): void {
    this.close();
    this.#connection.end();
  }

  #leave(refusal: string): void {
    if (refusal !== '') this.#connection.refused?.(refusal);
    this.#end();
  }

  #drop(refusal: string): void {
    this.#connection.refused?.(refusal);
    this.close();
    this.#connection.drop();
  }
}
