// Collects the replies to one received chunk in few large buffers, so that a batch of requests costs one system call.
// Buffers are used again once they were sent. It knows no protocol.

/** Holds the replies to a socket's chunk of small requests. */
const BATCH_BYTES = 256 * 1024;
const HEADERS_BYTES = 4096;
/** Of the buffers that are used again: one for a batch, and those for one read of 1 or 2 MiB, which is qemu-img's largest. */
const SIZES: readonly number[] = [BATCH_BYTES, 2 ** 20 + HEADERS_BYTES, 2 ** 21 + HEADERS_BYTES];
/** A socket that takes nothing keeps the rest waiting; beyond it buffers are left to the garbage collector. */
const SPARE_MAX = 4;
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
    this.#send(bytes, () => {
      if (SIZES.includes(buffer.length) && this.#spare.length < SPARE_MAX) this.#spare.push(buffer);
    });
  }

  /** A new one of 1 MiB costs half as much again as all that is done with it: the kernel has to clear it. */
  #fresh(bytes: number): Buffer {
    const size = SIZES.find((one) => one >= bytes) ?? bytes;
    const index = this.#spare.findIndex((buffer) => buffer.length === size);
    const [spare] = index < 0 ? [] : this.#spare.splice(index, 1);
    return spare ?? Buffer.allocUnsafeSlow(size);
  }
}
