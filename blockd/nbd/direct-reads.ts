// Reads whose data lies in one file as it is: all of a chunk of requests in one system call, straight into the replies. What
// is not in the page cache is waited for beside everything else, each read for itself, and so is a large read while another
// one is done here. Judges nothing: the device does.
import { type BatchReads, NOT_AT_ONCE } from '../../common/disk/file-reads.ts';
import type { Others } from '../../common/disk/later-reads.ts';
import type { DirectDevice, DirectFile } from './nbd-device.ts';
import type { Request } from './nbd-request.ts';
import type { ReplyBatch } from './reply-batch.ts';
import type { Replies } from './simple-replies.ts';

/** Reads in a row that the page cache had not: the next ones are not tried there first. */
const COLD_NEEDED = 4;
/** Rooms for what comes from the disk are used again: one of them for each read of up to this. */
const ROOM_BYTES = 64 * 1024;
const ROOMS_KEPT = 64;
/** Large reads beside the one that is done here: more processors than a few never wait for one client. */
const LARGE_BESIDE_MAX = 4;

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
  /** Who else waits for the same thread. */
  readonly others: () => Others;
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
  /** One of those that were added. */
  #hasLarge = false;
  #largeBeside = 0;
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

  /** The page cache had none of its last ones. */
  get missesCache(): boolean {
    return this.#coldInRow >= COLD_NEEDED;
  }

  /** Large ones are on their way beside others, so there is more to come without the client's next request. */
  get areBeside(): boolean {
    return this.#largeBeside > 0;
  }

  /** Takes a read that will be answered before the batch is sent, or handed on then. False for one of another kind. */
  tryAdd(request: Request): boolean {
    const { device, reads } = this.#parts;
    const file = device.fileOf(request.offset, request.length);
    if (file === undefined) return false;
    const isLarge = request.length >= reads.largeBytes;
    if (isLarge && this.#hasLarge && this.#largeBeside < LARGE_BESIDE_MAX) this.#readBeside(request, file);
    else if (this.missesCache && request.length <= ROOM_BYTES) this.#askDisk(request, file);
    else this.#add(request, file);
    return true;
  }

  #add(request: Request, file: DirectFile): void {
    const { reads, batch, replies } = this.#parts;
    if (!reads.hasRoom) this.finish();
    const start = batch.take(replies.dataOverhead + request.length);
    const body = start + replies.dataOverhead;
    const place = reads.add(file.descriptor, request.offset, batch.bytes, body, request.length);
    this.#added.push({ request, file, start, body, place });
    this.#hasLarge ||= request.length >= reads.largeBytes;
  }

  /** Reads, and writes the replies' headers; the others give their room back. */
  finish(): void {
    // What others do begins first.
    this.#beginAsked();
    if (this.#added.length > 0) this.#finishAdded();
    this.#beginAsked();
  }

  #beginAsked(): void {
    if (!this.#hasAsked) return;
    this.#hasAsked = false;
    const { reads, others } = this.#parts;
    if (reads.begin(others())) this.#coldInRow = 0;
  }

  #finishAdded(): void {
    const { batch, reads, replies, answerLater } = this.#parts;
    const added = this.#added;
    this.#added = [];
    this.#hasLarge = false;
    reads.run();
    const missed: DirectRead[] = [];
    for (const read of added) {
      if (this.#isGood(read)) replies.writeDataHeader(batch.bytes, read.start, read.request);
      else missed.push(read);
    }
    this.#coldInRow = missed.length < added.length ? 0 : this.#coldInRow + missed.length;
    if (missed.length === 0) return;
    batch.closeGaps(missed.map(({ start, body, request }) => ({ start, bytes: body - start + request.length })));
    for (const { request, file, place } of missed) {
      if (!isCold(reads.outcome(place), request)) answerLater(request);
      else if (request.length > ROOM_BYTES) this.#askForReply(request, file);
      else this.#askDisk(request, file);
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
    const { length } = request;
    const room = this.#rooms.pop() ?? Buffer.allocUnsafeSlow(ROOM_BYTES);
    const into = room.subarray(0, length);
    this.#ask(request, file, into, (isGood) => {
      if (isGood) this.#parts.replies.data(request, into);
      if (this.#rooms.length < ROOMS_KEPT) this.#rooms.push(room);
    });
  }

  #readBeside(request: Request, file: DirectFile): void {
    this.#largeBeside++;
    this.#askForReply(request, file, () => this.#largeBeside--);
  }

  /** As `#askDisk`, into a reply of its own, which is not copied. */
  #askForReply(request: Request, file: DirectFile, ended: () => void = () => undefined): void {
    const { batch, replies } = this.#parts;
    const bytes = replies.dataOverhead + request.length;
    const room = batch.lend(bytes);
    this.#ask(request, file, room.subarray(replies.dataOverhead, bytes), (isGood) => {
      ended();
      if (isGood) replies.writeDataHeader(room, 0, request);
      if (isGood) batch.post(room, bytes);
      else batch.keep(room);
    });
  }

  /** `take` hears whether the bytes are the answer, or nothing. */
  #ask(request: Request, file: DirectFile, into: Uint8Array, take: (isGood: boolean) => void): void {
    const { device, reads, waits, landed } = this.#parts;
    this.#hasAsked = true;
    this.#underWay++;
    waits(request);
    reads.readLater(file.descriptor, request.offset, into, (outcome) => {
      this.#underWay--;
      const isWhole = outcome === request.length && !this.#isClosed;
      const isGood = isWhole && device.isRead(file, request.offset, into);
      take(isGood);
      landed(request, isGood);
    });
  }
}

/** Whether the disk would have to be waited for; anything else than that is another's to judge. */
function isCold(outcome: number, { length }: Request): boolean {
  return outcome === NOT_AT_ONCE || (outcome > 0 && outcome < length);
}
