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
  /** Answers a read if that needs no waiting; otherwise false, and nothing was done. @throws what the device does */
  tryRead(request: Request): boolean;
  /** Answers NBD_CMD_BLOCK_STATUS from what is known now. */
  status(request: Request): void;
}

export class SimpleReplies implements Replies {
  readonly #device: NbdDevice;
  readonly #batch: ReplyBatch;

  constructor(device: NbdDevice, batch: ReplyBatch) {
    this.#device = device;
    this.#batch = batch;
  }

  done(request: Request): void {
    writeSimpleReply(this.#batch.take(SIMPLE_REPLY_BYTES), request, 0);
  }

  fail(request: Request, error: number): void {
    writeSimpleReply(this.#batch.take(SIMPLE_REPLY_BYTES), request, error);
  }

  tryRead(request: Request): boolean {
    const room = this.#batch.take(SIMPLE_REPLY_BYTES + request.length);
    let isRead = request.length === 0;
    try {
      isRead ||= this.#device.tryRead(request.offset, room.subarray(SIMPLE_REPLY_BYTES));
    } finally {
      if (!isRead) this.#batch.giveBack(room.length);
    }
    if (isRead) writeSimpleReply(room, request, 0);
    return isRead;
  }

  /** It needs contexts, and they need structured replies; a request that comes here was let through wrongly. */
  status(request: Request): void {
    this.fail(request, NBD_ERROR.EINVAL);
  }
}

/** The header of a simple reply. */
export function writeSimpleReply(room: Buffer, request: Request, error: number): void {
  room.writeUInt32BE(SIMPLE_REPLY_MAGIC, 0);
  room.writeUInt32BE(error, 4);
  room.writeUInt32BE(request.cookieHigh, 8);
  room.writeUInt32BE(request.cookieLow, 12);
}
