// Reads whose data lies in one file as it is: all of a chunk of requests in one system call, straight into the replies. What
// is not in the page cache is waited for beside everything else, each read for itself. Judges nothing: the device does.
import { type BatchReads, NOT_AT_ONCE } from '../../common/file-reads.ts';
import type { DirectDevice, DirectFile } from './nbd-device.ts';
import type { Request } from './nbd-request.ts';
import type { ReplyBatch } from './reply-batch.ts';
import type { Replies } from './simple-replies.ts';

/** Rooms for what comes from the disk are used again: one of them for each read of up to this. */
const ROOM_BYTES = 64 * 1024;
const ROOMS_KEPT = 64;

/** A reply's room in the batch, and what is to be read into it. */
interface DirectRead {
  readonly request: Request;
  readonly file: DirectFile;
  readonly start: number;
  /** Where its data begins. */
  readonly body: number;
  readonly place: number;
}

/** What the reads of one connection are made of. */
export interface DirectParts {
  readonly device: DirectDevice;
  readonly reads: BatchReads;
  readonly batch: ReplyBatch;
  readonly replies: Replies;
  /** Takes a request that could not be answered after all. */
  readonly answerLater: (request: Request, direct: boolean) => void;
}

/** The reads of one connection. */
export class DirectReads {
  readonly #parts: DirectParts;
  readonly #rooms: Buffer[] = [];
  #added: DirectRead[] = [];

  constructor(parts: DirectParts) {
    this.#parts = parts;
    parts.batch.beforeFlush = () => this.finish();
  }

  /** Takes a read that will be answered before the batch is sent, or handed on then. False for one of another kind. */
  tryAdd(request: Request): boolean {
    const { device, reads, batch, replies } = this.#parts;
    const file = device.fileOf(request.offset, request.length);
    if (file === undefined) return false;
    if (!reads.hasRoom) this.finish();
    const start = batch.take(replies.dataOverhead + request.length);
    const body = start + replies.dataOverhead;
    const place = reads.add(file.descriptor, request.offset, batch.bytes, body, request.length);
    this.#added.push({ request, file, start, body, place });
    return true;
  }

  /** Reads, and writes the replies' headers; the others give their room back. */
  finish(): void {
    if (this.#added.length === 0) return;
    const { batch, reads, replies, answerLater } = this.#parts;
    const added = this.#added;
    this.#added = [];
    reads.run();
    const missed: DirectRead[] = [];
    for (const read of added) {
      if (this.#isGood(read)) replies.writeDataHeader(read.start, read.request);
      else missed.push(read);
    }
    if (missed.length === 0) return;
    batch.closeGaps(missed.map(({ start, body, request }) => ({ start, bytes: body - start + request.length })));
    for (const { request, place } of missed) answerLater(request, isCold(reads.outcome(place), request));
  }

  #isGood({ request, file, body, place }: DirectRead): boolean {
    const { device, reads, batch } = this.#parts;
    const { offset, length } = request;
    return reads.outcome(place) === length && device.isRead(file, offset, batch.bytes.subarray(body, body + length));
  }

  /** Reads from the disk. False when the request has to be answered another way; true and it has been, into the batch. */
  async readCold(request: Request, isClosed: () => boolean): Promise<boolean> {
    const { device, reads, replies } = this.#parts;
    const { offset, length } = request;
    const file = device.fileOf(offset, length);
    if (file === undefined) return false;
    const room =
      (length <= ROOM_BYTES ? this.#rooms.pop() : undefined) ?? Buffer.allocUnsafeSlow(Math.max(ROOM_BYTES, length));
    const into = room.subarray(0, length);
    const had = await new Promise<number>((resolve) => reads.readLater(file.descriptor, offset, into, resolve));
    const isGood = had === length && !isClosed() && device.isRead(file, offset, into);
    if (isGood) replies.data(request, into);
    if (room.length === ROOM_BYTES && this.#rooms.length < ROOMS_KEPT) this.#rooms.push(room);
    return isGood;
  }
}

/** Whether the disk would have to be waited for; anything else than that is another's to judge. */
function isCold(outcome: number, { length }: Request): boolean {
  return outcome === NOT_AT_ONCE || (outcome > 0 && outcome < length);
}
