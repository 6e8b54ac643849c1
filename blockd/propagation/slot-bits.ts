// A bit per slot, or per group, in pieces that are made when the first bit of one is set. One byte holds a group's eight.

const PIECE_BITS = 13;
const PIECE_BYTES = 2 ** PIECE_BITS;

/** Bits by number, all 0 at first. */
export class SlotBits {
  readonly #pieces: (Uint8Array | undefined)[] = [];

  /** What it takes, in bytes. */
  get bytes(): number {
    return this.#pieces.reduce((sum, piece) => sum + (piece?.byteLength ?? 0), 0);
  }

  has(bit: number): boolean {
    return ((this.byteAt(bit >>> 3) >>> (bit & 7)) & 1) !== 0;
  }

  /** The eight bits of a group; 0 where nothing was ever set. */
  byteAt(group: number): number {
    return this.#pieces[group >>> PIECE_BITS]?.[group & (PIECE_BYTES - 1)] ?? 0;
  }

  /** Whether the bit was 0 before. */
  set(bit: number): boolean {
    const piece = this.#piece(bit >>> (PIECE_BITS + 3));
    const at = (bit >>> 3) & (PIECE_BYTES - 1);
    const before = piece[at] ?? 0;
    piece[at] = before | (1 << (bit & 7));
    return ((before >>> (bit & 7)) & 1) === 0;
  }

  /** Whether the bit was 1 before. */
  clear(bit: number): boolean {
    if (!this.has(bit)) return false;
    const piece = this.#piece(bit >>> (PIECE_BITS + 3));
    const at = (bit >>> 3) & (PIECE_BYTES - 1);
    piece[at] = (piece[at] ?? 0) & ~(1 << (bit & 7));
    return true;
  }

  clearAll(): void {
    for (const piece of this.#pieces) piece?.fill(0);
  }

  #piece(index: number): Uint8Array {
    const known = this.#pieces[index];
    if (known !== undefined) return known;
    const piece = new Uint8Array(PIECE_BYTES);
    this.#pieces[index] = piece;
    return piece;
  }
}
