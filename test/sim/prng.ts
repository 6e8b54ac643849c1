// The simulation's only source of chance: a small generator whose whole course follows from its seed. Never Math.random.

/** sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, fast, good enough to draw faults from. */
export class Prng {
  readonly #state: Uint32Array;

  constructor(seed: number) {
    this.#state = Uint32Array.of(seed >>> 0, (seed / 2 ** 32) >>> 0, 0x9e3779b9, 1);
    for (let round = 0; round < 12; round += 1) this.next();
  }

  /** 0 <= x < 1. */
  next(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#state;
    const sum = (a + b + d) | 0;
    this.#state.set([b ^ (b >>> 9), c + (c << 3), ((c << 21) | (c >>> 11)) + sum, d + 1]);
    return (sum >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** An integer, 0 <= x < limit. */
  integer(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.integer(choices.length)] ?? choices[0];
  }
}
