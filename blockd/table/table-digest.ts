// The order-free 128-bit digest of a table of versions: the sum of one mixed value per written block, so that it
// follows each change in constant time. It finds lost and stale entries, not forgeries.

const LANES = 4;
const ROUNDS = 5;
/** Fractions of the square roots of 2, 3, 5 and 7: an entry of zeros must not mix to zeros. */
const SEED = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a] as const;

/** Beyond every block's number: marks a block of zeros. */
const ZERO = 2 ** 31;

/** A running digest; entries come and go in any order. */
export class TableDigest {
  readonly #sum = new Uint32Array(LANES);
  readonly #mixed = new Uint32Array(LANES);
  /** What `hex` said, until an entry comes or goes: it is asked for with each read of a snapshot. */
  #hex: string | undefined;

  /** Counts an entry in. `zero`: the block reads as zeros, and has no checksum. */
  add(block: number, high: number, low: number, zero: boolean, sum: number): void {
    this.#hex = undefined;
    mix(this.#mixed, zero ? block + ZERO : block, high, low, zero ? 0 : sum);
    for (let lane = 0; lane < LANES; lane++) this.#sum[lane] = (this.#sum[lane] ?? 0) + (this.#mixed[lane] ?? 0);
  }

  /** Takes an entry out that was counted in. */
  remove(block: number, high: number, low: number, zero: boolean, sum: number): void {
    this.#hex = undefined;
    mix(this.#mixed, zero ? block + ZERO : block, high, low, zero ? 0 : sum);
    for (let lane = 0; lane < LANES; lane++) this.#sum[lane] = (this.#sum[lane] ?? 0) - (this.#mixed[lane] ?? 0);
  }

  /** Goes on from what `hex` said of another one. */
  restore(hex: string): void {
    this.#hex = undefined;
    for (let lane = 0; lane < LANES; lane++) this.#sum[lane] = Number.parseInt(hex.slice(8 * lane, 8 * lane + 8), 16);
  }

  /** 32 hexadecimal digits. */
  hex(): string {
    this.#hex ??= Array.from(this.#sum, (word) => word.toString(16).padStart(8, '0')).join('');
    return this.#hex;
  }
}

/** A permutation of the 128 bits of an entry (add, rotate, exclusive or): different entries never mix to the same. */
function mix(out: Uint32Array, block: number, high: number, low: number, sum: number): void {
  let a = (block + SEED[0]) | 0;
  let b = (high + SEED[1]) | 0;
  let c = (low + SEED[2]) | 0;
  let d = (sum + SEED[3]) | 0;
  for (let round = 0; round < ROUNDS; round++) {
    a = (a + b) | 0;
    d = rotate(d ^ a, 16);
    c = (c + d) | 0;
    b = rotate(b ^ c, 12);
    a = (a + b + round) | 0;
    d = rotate(d ^ a, 8);
    c = (c + d) | 0;
    b = rotate(b ^ c, 7);
  }
  out[0] = a;
  out[1] = b;
  out[2] = c;
  out[3] = d;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
