// A 32-bit word per group, in pieces that are made when the first word of one is set.

const PIECE_BITS = 13;
const PIECE_WORDS = 2 ** PIECE_BITS;

/** Words by group number, all 0 at first. */
export class GroupWords {
  readonly #pieces: (Uint32Array | undefined)[] = [];

  /** What it takes, in bytes. */
  get bytes(): number {
    return this.#pieces.reduce((sum, piece) => sum + (piece?.byteLength ?? 0), 0);
  }

  get(group: number): number {
    return this.#pieces[group >>> PIECE_BITS]?.[group & (PIECE_WORDS - 1)] ?? 0;
  }

  set(group: number, word: number): void {
    const piece = this.#pieces[group >>> PIECE_BITS] ?? this.#grow(group >>> PIECE_BITS);
    piece[group & (PIECE_WORDS - 1)] = word;
  }

  #grow(index: number): Uint32Array {
    const piece = new Uint32Array(PIECE_WORDS);
    this.#pieces[index] = piece;
    return piece;
  }
}
