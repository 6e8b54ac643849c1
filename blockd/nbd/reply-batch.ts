// Collects the replies to one received chunk in few large buffers, so that a batch of requests costs one system call.
// Buffers are used again once they were sent. It knows no protocol.

/** Holds the replies to a socket's chunk of small requests; larger replies get a buffer of their own. */
const BATCH_BYTES = 256 * 1024;
/** A socket that takes nothing keeps the rest waiting; beyond it buffers are left to the garbage collector. */
const SPARE_MAX = 4;
const NOTHING = Buffer.alloc(0);

/** Hands bytes to the connection; `sent` is called when they may be overwritten. */
export type SendBatch = (bytes: Buffer, sent: () => void) => void;

/** The replies that were not sent yet. */
export class ReplyBatch {
  readonly #send: SendBatch;
  readonly #spare: Buffer[] = [];
  #buffer: Buffer | undefined;
  #used = 0;

  constructor(send: SendBatch) {
    this.#send = send;
  }

  /** Where the rooms that were taken lie, from the last `take` until `flush`. */
  get bytes(): Buffer {
    return this.#buffer ?? NOTHING;
  }

  /** Room for the next reply: where it begins in `bytes`. No view of it is made, which would cost more than a header. */
  take(bytes: number): number {
    if (this.#buffer !== undefined && this.#used + bytes > this.#buffer.length) {
      this.flush();
      this.#buffer = undefined;
    }
    this.#buffer ??= bytes > BATCH_BYTES ? Buffer.allocUnsafeSlow(bytes) : this.#fresh();
    const start = this.#used;
    this.#used += bytes;
    return start;
  }

  /** Takes back so much of the end of what was taken. */
  giveBack(bytes: number): void {
    this.#used -= bytes;
  }

  /** Sends what was collected. */
  flush(): void {
    const buffer = this.#buffer;
    if (buffer === undefined || this.#used === 0) return;
    const bytes = buffer.subarray(0, this.#used);
    this.#buffer = undefined;
    this.#used = 0;
    this.#send(bytes, () => {
      if (buffer.length === BATCH_BYTES && this.#spare.length < SPARE_MAX) this.#spare.push(buffer);
    });
  }

  #fresh(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
  }
}
