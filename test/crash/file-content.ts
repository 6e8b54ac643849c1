// What a file of a disk in memory has: changed in place, and copied only when it is changed while a copy has the same bytes.
// Not a test itself.

const FIRST_BYTES = 4096;

export class FileContent {
  /** Zeros beyond the size. */
  #buffer: Uint8Array;
  #size: number;
  /** A copy has the same buffer. */
  #isShared: boolean;

  constructor(buffer: Uint8Array = new Uint8Array(0), size = 0) {
    this.#buffer = buffer;
    this.#size = size;
    this.#isShared = size > 0;
  }

  /** As they are now: the next change may change them. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }

  get size(): number {
    return this.#size;
  }

  /** Answers how many bytes there were. */
  read(into: Uint8Array, offset: number): number {
    const end = Math.min(offset + into.length, this.#size);
    if (end <= offset) return 0;
    into.set(this.#buffer.subarray(offset, end));
    return end - offset;
  }

  copy(): FileContent {
    this.#isShared = this.#size > 0;
    return new FileContent(this.#buffer, this.#size);
  }

  /** Grows the file where the bytes end beyond it. */
  write(bytes: Uint8Array, offset: number): void {
    this.#own(offset + bytes.length);
    this.#buffer.set(bytes, offset);
    this.#size = Math.max(this.#size, offset + bytes.length);
  }

  resize(size: number): void {
    this.#own(size);
    if (size < this.#size) this.#buffer.fill(0, size, this.#size);
    this.#size = size;
  }

  #own(bytes: number): void {
    const isLarge = bytes <= this.#buffer.length;
    if (isLarge && !this.#isShared) return;
    const grown = new Uint8Array(isLarge ? this.#buffer.length : Math.max(FIRST_BYTES, 2 * this.#size, bytes));
    grown.set(this.bytes);
    this.#buffer = grown;
    this.#isShared = false;
  }
}
