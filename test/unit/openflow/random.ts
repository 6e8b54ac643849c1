// Seeded random numbers for the codec's tests: the same seed gives the same messages on every machine.

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 32 random bits: a Weyl sequence through Murmur3's finaliser. */
  u32(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let h = this.#state;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  }

  /** An integer of 0..limit-1. */
  below(limit: number): number {
    return Math.floor((this.u32() / 2 ** 32) * limit);
  }

  chance(probability: number): boolean {
    return this.u32() / 2 ** 32 < probability;
  }

  /** A number of `bits` (1..32) bits; now and then the smallest or the largest, where mistakes live. */
  bits(bits: number): number {
    const all = 2 ** bits - 1;
    const kind = this.below(8);
    if (kind === 0) return 0;
    return kind === 1 ? all : this.below(2 ** bits);
  }

  bigBits(bits: number): bigint {
    let value = 0n;
    for (let done = 0; done < bits; done += 32) value = (value << 32n) | BigInt(this.bits(32));
    return BigInt.asUintN(bits, value);
  }

  pick<T>(from: readonly T[]): T {
    const item = from[this.below(from.length)];
    if (item === undefined) throw new Error('pick from an empty list');
    return item;
  }

  list<T>(countMax: number, make: () => T): T[] {
    return Array.from({ length: this.below(countMax + 1) }, make);
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.bits(8));
  }

  /** Up to `countMax` printable characters. */
  text(countMax: number): string {
    return String.fromCharCode(...this.list(countMax, () => 33 + this.below(94)));
  }
}
