// Replies in the form that every client knows ("Simple reply message"): a header, and all the data of a read. Writes
// into the batch; what the device throws goes to whoever asked.
import type { NbdDevice } from './nbd-device.ts';
import { NBD_ERROR, SIMPLE_REPLY_BYTES, SIMPLE_REPLY_MAGIC } from './nbd-protocol.ts';
import type { Request } from './nbd-request.ts';
import type { ReplyBatch } from './reply-batch.ts';

/** How a session answers, by what was agreed on. */
export interface Replies {
  done(request: Request): void;
  fail(request: Request, error: number): void;
  /**
   * Answers a read if that needs no waiting (`mayWait`: but for the disk); otherwise false, and nothing was done.
   * @throws what the device does
   */
  tryRead(request: Request, mayWait: boolean): boolean;
  /** Bytes before the data of a reply that is all data. */
  readonly dataOverhead: number;
  /** Writes what stands before the data of such a reply, whose room begins at `start` of the bytes. */
  writeDataHeader(bytes: Buffer, start: number, request: Request): void;
  /** Adds such a reply. */
  data(request: Request, data: Uint8Array): void;
  /** Answers NBD_CMD_BLOCK_STATUS from what is known now. */
  status(request: Request): void;
}

export class SimpleReplies implements Replies {
  readonly dataOverhead = SIMPLE_REPLY_BYTES;
  readonly #device: NbdDevice;
  readonly #batch: ReplyBatch;

  constructor(device: NbdDevice, batch: ReplyBatch) {
    this.#device = device;
    this.#batch = batch;
  }

  done(request: Request): void {
    addSimpleReply(this.#batch, request, 0);
  }

  fail(request: Request, error: number): void {
    addSimpleReply(this.#batch, request, error);
  }

  tryRead(request: Request, mayWait: boolean): boolean {
    const { offset, length } = request;
    const start = this.#batch.take(SIMPLE_REPLY_BYTES + length);
    const { bytes } = this.#batch;
    const body = start + SIMPLE_REPLY_BYTES;
    let isRead = false;
    try {
      isRead = this.#device.tryRead(offset, bytes.subarray(body, body + length), mayWait);
    } finally {
      if (!isRead) this.#batch.giveBack(SIMPLE_REPLY_BYTES + length);
    }
    if (isRead) writeSimpleReply(bytes, start, request, 0);
    return isRead;
  }

  writeDataHeader(bytes: Buffer, start: number, request: Request): void {
    writeSimpleReply(bytes, start, request, 0);
  }

  data(request: Request, data: Uint8Array): void {
    const start = this.#batch.take(SIMPLE_REPLY_BYTES + data.length);
    this.writeDataHeader(this.#batch.bytes, start, request);
    this.#batch.bytes.set(data, start + SIMPLE_REPLY_BYTES);
  }

  /** It needs contexts, and they need structured replies; a request that comes here was let through wrongly. */
  status(request: Request): void {
    this.fail(request, NBD_ERROR.EINVAL);
  }
}

/** A reply that is a header and no more. */
export function addSimpleReply(batch: ReplyBatch, request: Request, error: number): void {
  const start = batch.take(SIMPLE_REPLY_BYTES);
  writeSimpleReply(batch.bytes, start, request, error);
}

function writeSimpleReply(bytes: Buffer, start: number, request: Request, error: number): void {
  bytes.writeUInt32BE(SIMPLE_REPLY_MAGIC, start);
  bytes.writeUInt32BE(error, start + 4);
  bytes.writeUInt32BE(request.cookieHigh, start + 8);
  bytes.writeUInt32BE(request.cookieLow, start + 12);
}
