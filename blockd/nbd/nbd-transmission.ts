// The requests of one connection on their way to the device and back as replies, in whatever order the device answers.
// Parses nothing and sends nothing: what is due stands in the batch, and `settled` says that there is more.
import type { BatchReads } from '../../common/disk/file-reads.ts';
import type { Others } from '../../common/disk/later-reads.ts';
import { DirectReads } from './direct-reads.ts';
import type { NbdDevice } from './nbd-device.ts';
import { errorNumber } from './nbd-error.ts';
import { COMMAND, COMMAND_FLAG } from './nbd-protocol.ts';
import { type Agreement, faultOf, type Request } from './nbd-request.ts';
import type { ReplyBatch } from './reply-batch.ts';
import { type Replies, SimpleReplies } from './simple-replies.ts';
import { StructuredReplies } from './structured-replies.ts';

/** QEMU has 16 under way, the kernel 128 per connection; a client that sends more waits at its socket. */
const WAITING_MAX = 1024;
/** Two of the largest writes and a little; a frozen image holds them all. */
const WAITING_BYTES_MAX = 80 * 2 ** 20;

/**
 * A page cache that has forgotten again, so often, what was just read into it is too small for the request: then the read
 * waits for the disk itself, and everything with it.
 */
const TRIES_AT_ONCE = 3;

const REPLIED = 'replied';
type Outcome = typeof REPLIED | undefined;

/** What the transmission phase of a connection is made of. */
export interface TransmissionParts {
  readonly device: NbdDevice;
  readonly agreement: Agreement;
  readonly batch: ReplyBatch;
  /** Whoever reads files in batches, where the kernel lets anyone. */
  readonly reads: BatchReads | undefined;
  /** Who else waits for the same thread. */
  readonly others: () => Others;
  /** Called after each request that had to wait, once its reply is in the batch. */
  readonly settled: () => void;
}

/** The transmission phase of one connection. */
export class NbdTransmission {
  readonly #device: NbdDevice;
  readonly #agreement: Agreement;
  readonly #replies: Replies;
  readonly #settled: () => void;
  readonly #direct: DirectReads | undefined;
  #waiting = 0;
  #waitingBytes = 0;
  #closed = false;
  /** What waits yet is carried out by nobody then: the client may have asked for it elsewhere, and for more. */
  readonly #isGone = (): boolean => this.#closed;

  constructor({ device, agreement, batch, reads, others, settled }: TransmissionParts) {
    this.#device = device;
    this.#agreement = agreement;
    this.#settled = settled;
    const replies = agreement.isStructured
      ? new StructuredReplies(device, batch, agreement)
      : new SimpleReplies(device, batch);
    this.#replies = replies;
    if (reads === undefined || device.direct === undefined) return;
    const answerLater = (request: Request): void => this.#await(request, this.#readLater(request), request.length);
    const waits = ({ length }: Request): void => this.#enter(length);
    const landed = (request: Request, isAnswered: boolean): void => {
      this.#leave(request.length);
      if (this.#closed) return;
      if (isAnswered) this.#settled();
      else answerLater(request);
    };
    const parts = { device: device.direct, reads, others, batch, replies, waits, landed, answerLater };
    this.#direct = new DirectReads(parts);
  }

  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  /** Some reply waits for the disk, and for nothing else. */
  get readsDisk(): boolean {
    return this.#direct?.areUnderWay === true;
  }

  /** Its reads go to the disk, as far as the last ones told. */
  get missesCache(): boolean {
    return this.#direct?.missesCache === true;
  }

  /** Large reads are on their way beside others: the client will have their replies before it asks again. */
  get readsBeside(): boolean {
    return this.#direct?.areBeside === true;
  }

  /** So much waits that no further request should be taken. */
  get isFull(): boolean {
    return this.#waiting >= WAITING_MAX || this.#waitingBytes >= WAITING_BYTES_MAX;
  }

  /** Whether the request may reach the device; the payload of one that may not need not be kept. */
  isSound(request: Request): boolean {
    return faultOf(request, this.#agreement) === 0;
  }

  /** Nothing more is replied. */
  close(): void {
    this.#closed = true;
    this.#direct?.close();
  }

  /** Takes a request with its whole payload, which is not kept. */
  run(request: Request, data: Buffer): void {
    const fault = faultOf(request, this.#agreement);
    if (fault !== 0) this.#replies.fail(request, fault);
    else this.#begin(request, data);
  }

  #begin(request: Request, data: Buffer): void {
    try {
      const answer = this.#start(request, data);
      if (answer === undefined) this.#replies.done(request);
      else if (answer !== REPLIED) this.#await(request, answer, waitingBytes(request));
    } catch (error) {
      this.#replies.fail(request, errorNumber(error));
    }
  }

  /** Undefined is done, and a promise that answers `REPLIED` has replied by itself. */
  #start(request: Request, data: Buffer): Outcome | Promise<unknown> {
    if (request.type === COMMAND.READ && this.#direct?.tryAdd(request) === true) return REPLIED;
    if (request.type === COMMAND.READ)
      return this.#replies.tryRead(request, false) ? REPLIED : this.#readLater(request);
    if (request.type === COMMAND.BLOCK_STATUS) return this.#status(request);
    return this.#change(request, data);
  }

  #change(request: Request, data: Buffer): Promise<void> | undefined {
    const { type, offset, length } = request;
    const fua = (request.flags & COMMAND_FLAG.FUA) !== 0;
    if (type === COMMAND.FLUSH) return this.#device.flush();
    if (type === COMMAND.WRITE) return this.#device.write(offset, data, fua, this.#isGone);
    if (type === COMMAND.TRIM) return this.#device.trim(offset, length, fua, this.#isGone);
    if (type === COMMAND.CACHE) return this.#device.cache(offset, length);
    return this.#device.zero(offset, length, fua, (request.flags & COMMAND_FLAG.NO_HOLE) !== 0, this.#isGone);
  }

  async #readLater(request: Request): Promise<Outcome> {
    let tries = 0;
    do await this.#device.makeReadable(request.offset, request.length);
    while (!this.#closed && !this.#replies.tryRead(request, ++tries > TRIES_AT_ONCE));
    return REPLIED;
  }

  #status(request: Request): Outcome | Promise<Outcome> {
    if (!this.#device.hasStatus) return this.#statusLater(request);
    this.#replies.status(request);
    return REPLIED;
  }

  async #statusLater(request: Request): Promise<Outcome> {
    while (!this.#device.hasStatus) await this.#device.untilStatus();
    if (!this.#closed) this.#replies.status(request);
    return REPLIED;
  }

  #enter(bytes: number): void {
    this.#waiting++;
    this.#waitingBytes += bytes;
  }

  #leave(bytes: number): void {
    this.#waiting--;
    this.#waitingBytes -= bytes;
  }

  #await(request: Request, answer: Promise<unknown>, bytes: number): void {
    this.#enter(bytes);
    const settle = (reply: () => void): void => {
      this.#leave(bytes);
      if (this.#closed) return;
      reply();
      this.#settled();
    };
    answer.then(
      (outcome) => settle(() => (outcome === REPLIED ? undefined : this.#replies.done(request))),
      (error: unknown) => settle(() => this.#replies.fail(request, errorNumber(error))),
    );
  }
}

/** What a waiting request holds, or will hold once it is answered. */
function waitingBytes({ type, length }: Request): number {
  return type === COMMAND.READ || type === COMMAND.WRITE ? length : 0;
}
