// Collects the replies to one received chunk in few large buffers, so that a batch of requests costs one system call.
// Buffers are used again once they were sent. It knows no protocol.

/** Holds the replies to a socket's chunk of small requests. */
const BATCH_BYTES = 256 * 1024;
const HEADERS_BYTES = 4096;
/** Of the buffers that are used again: one for a batch, and those for one read of 1 or 2 MiB, which is qemu-img's largest. */
const SIZES: readonly number[] = [BATCH_BYTES, 2 ** 20 + HEADERS_BYTES, 2 ** 21 + HEADERS_BYTES];
/**
 * What a client may leave unread, and one more: four or five of 1 MiB at a time are usual. The rest is left to the garbage
 * collector, which is started the sooner, for all of the heap, the more it is told of such memory.
 */
const SPARE_BYTES_MAX = 9 * 2 ** 20;
const NOTHING = Buffer.alloc(0);

/** Hands bytes to the connection; `sent` is called when they may be overwritten. */
export type SendBatch = (bytes: Buffer, sent: () => void) => void;

/** Room that was taken and is given back. */
export interface Gap {
  readonly start: number;
  readonly bytes: number;
}

/** The replies that were not sent yet. */
export class ReplyBatch {
  /** Whoever has rooms to fill does it here, or closes them. */
  beforeFlush: () => void = () => undefined;
  readonly #send: SendBatch;
  readonly #spare: Buffer[] = [];
  #spareBytes = 0;
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
    this.#buffer ??= this.#fresh(bytes);
    const start = this.#used;
    this.#used += bytes;
    return start;
  }

  /** A buffer for one reply alone, while others are collected; `post` or `keep` follows. */
  lend(bytes: number): Buffer {
    return this.#fresh(bytes);
  }

  /** Sends a reply in a buffer that was lent, beside what is collected. */
  post(buffer: Buffer, bytes: number): void {
    this.#send(buffer.subarray(0, bytes), () => this.keep(buffer));
  }

  /** Takes back so much of the end of what was taken. */
  giveBack(bytes: number): void {
    this.#used -= bytes;
  }

  /** Takes back rooms anywhere, which are told in order: what lies behind moves down. */
  closeGaps(gaps: readonly Gap[]): void {
    const { bytes } = this;
    let to = gaps[0]?.start ?? this.#used;
    for (const [index, { start, bytes: size }] of gaps.entries()) {
      const next = gaps[index + 1]?.start ?? this.#used;
      bytes.copyWithin(to, start + size, next);
      to += next - start - size;
    }
    this.#used = to;
  }

  /** Sends what was collected. */
  flush(): void {
    this.beforeFlush();
    const buffer = this.#buffer;
    if (buffer === undefined || this.#used === 0) return;
    const bytes = buffer.subarray(0, this.#used);
    this.#buffer = undefined;
    this.#used = 0;
    this.#send(bytes, () => this.keep(buffer));
  }

  /** To be used again, if it is of a size that is. */
  keep(buffer: Buffer): void {
    if (!SIZES.includes(buffer.length) || this.#spareBytes + buffer.length > SPARE_BYTES_MAX) return;
    this.#spareBytes += buffer.length;
    this.#spare.push(buffer);
  }

  /** A new one of 1 MiB costs half as much again as all that is done with it: the kernel has to clear it. */
  #fresh(bytes: number): Buffer {
    const size = SIZES.find((one) => one >= bytes) ?? bytes;
    const index = this.#spare.findIndex((buffer) => buffer.length === size);
    const [spare] = index < 0 ? [] : this.#spare.splice(index, 1);
    this.#spareBytes -= spare?.length ?? 0;
    return spare ?? Buffer.allocUnsafeSlow(size);
  }
}
