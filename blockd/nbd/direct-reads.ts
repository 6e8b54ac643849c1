// Reads whose data lies in one file as it is: all of a chunk of requests in one system call, straight into the replies. What
// is not in the page cache is waited for beside everything else, each read for itself. Judges nothing: the device does.
import { type BatchReads, NOT_AT_ONCE } from '../../common/file-reads.ts';
import type { DirectDevice, DirectFile } from './nbd-device.ts';
import type { Request } from './nbd-request.ts';
import type { ReplyBatch } from './reply-batch.ts';
import type { Replies } from './simple-replies.ts';

/** Reads in a row that the page cache had not: the next ones are not tried there first. */
const COLD_NEEDED = 4;
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
  /** The disk has been asked for a read; `landed` follows. */
  readonly waits: (request: Request) => void;
  /** It waits no longer, and was answered into the batch; or has to be answered another way. */
  readonly landed: (request: Request, isAnswered: boolean) => void;
  /** Takes a request that could not be answered after all. */
  readonly answerLater: (request: Request) => void;
}

/** The reads of one connection. */
export class DirectReads {
  readonly #parts: DirectParts;
  readonly #rooms: Buffer[] = [];
  #added: DirectRead[] = [];
  #coldInRow = 0;
  #hasAsked = false;
  #underWay = 0;
  #isClosed = false;

  constructor(parts: DirectParts) {
    this.#parts = parts;
    parts.batch.beforeFlush = () => this.finish();
  }

  /** The disk has been asked for some. */
  get areUnderWay(): boolean {
    return this.#underWay > 0;
  }

  /** Takes a read that will be answered before the batch is sent, or handed on then. False for one of another kind. */
  tryAdd(request: Request): boolean {
    const { device, reads, batch, replies } = this.#parts;
    const file = device.fileOf(request.offset, request.length);
    if (file === undefined) return false;
    if (this.#coldInRow >= COLD_NEEDED && request.length <= ROOM_BYTES) {
      this.#askDisk(request, file);
      return true;
    }
    if (!reads.hasRoom) this.finish();
    const start = batch.take(replies.dataOverhead + request.length);
    const body = start + replies.dataOverhead;
    const place = reads.add(file.descriptor, request.offset, batch.bytes, body, request.length);
    this.#added.push({ request, file, start, body, place });
    return true;
  }

  /** Reads, and writes the replies' headers; the others give their room back. */
  finish(): void {
    if (this.#added.length > 0) this.#finishAdded();
    if (!this.#hasAsked) return;
    this.#hasAsked = false;
    if (this.#parts.reads.begin()) this.#coldInRow = 0;
  }

  #finishAdded(): void {
    const { batch, reads, replies, answerLater } = this.#parts;
    const added = this.#added;
    this.#added = [];
    reads.run();
    const missed: DirectRead[] = [];
    for (const read of added) {
      if (this.#isGood(read)) replies.writeDataHeader(read.start, read.request);
      else missed.push(read);
    }
    this.#coldInRow = missed.length < added.length ? 0 : this.#coldInRow + missed.length;
    if (missed.length === 0) return;
    batch.closeGaps(missed.map(({ start, body, request }) => ({ start, bytes: body - start + request.length })));
    for (const { request, file, place } of missed) {
      if (isCold(reads.outcome(place), request)) this.#askDisk(request, file);
      else answerLater(request);
    }
  }

  #isGood({ request, file, body, place }: DirectRead): boolean {
    const { device, reads, batch } = this.#parts;
    const { offset, length } = request;
    return reads.outcome(place) === length && device.isRead(file, offset, batch.bytes.subarray(body, body + length));
  }

  /** The client is gone: what lands is nobody's. */
  close(): void {
    this.#isClosed = true;
  }

  /** With the others of the chunk: `finish` begins them. */
  #askDisk(request: Request, file: DirectFile): void {
    const { offset, length } = request;
    const room =
      (length <= ROOM_BYTES ? this.#rooms.pop() : undefined) ?? Buffer.allocUnsafeSlow(Math.max(ROOM_BYTES, length));
    const into = length === room.length ? room : room.subarray(0, length);
    this.#hasAsked = true;
    this.#underWay++;
    this.#parts.waits(request);
    this.#parts.reads.readLater(file.descriptor, offset, into, (outcome) => {
      this.#underWay--;
      const isGood = outcome === length && this.#answer(request, file, into);
      if (room.length === ROOM_BYTES && this.#rooms.length < ROOMS_KEPT) this.#rooms.push(room);
      this.#parts.landed(request, isGood);
    });
  }

  #answer(request: Request, file: DirectFile, into: Uint8Array): boolean {
    const { device, replies } = this.#parts;
    if (this.#isClosed || !device.isRead(file, request.offset, into)) return false;
    replies.data(request, into);
    return true;
  }
}

/** Whether the disk would have to be waited for; anything else than that is another's to judge. */
function isCold(outcome: number, { length }: Request): boolean {
  return outcome === NOT_AT_ONCE || (outcome > 0 && outcome < length);
}
