// What a guest's disk is asked for, block by block, as a list that is made once and played to every candidate: so all of
// them see the same requests.

/** What lies before a workload's blocks on its disk: 512 MB of system files that it never reads. */
const COLD_BLOCKS = 131_072;

/** One list of requests in the order of their times; blocks are those of the workload, counted behind what is cold. */
export class Trace {
  readonly name: string;
  readonly blocks: number;
  #atMs = new Uint32Array(2 ** 16);
  #first = new Uint32Array(2 ** 16);
  /** Twice the number of blocks, and one for a write. */
  #what = new Uint16Array(2 ** 16);
  #length = 0;

  constructor(name: string, blocks: number) {
    this.name = name;
    this.blocks = COLD_BLOCKS + blocks;
  }

  get length(): number {
    return this.#length;
  }

  add(atMs: number, first: number, count: number, isWrite: boolean): void {
    if (this.#length === this.#atMs.length) this.#grow();
    this.#atMs[this.#length] = atMs;
    this.#first[this.#length] = COLD_BLOCKS + first;
    this.#what[this.#length] = count * 2 + (isWrite ? 1 : 0);
    this.#length++;
  }

  atMs(index: number): number {
    return this.#atMs[index] ?? Number.POSITIVE_INFINITY;
  }

  first(index: number): number {
    return this.#first[index] ?? 0;
  }

  count(index: number): number {
    return (this.#what[index] ?? 0) >>> 1;
  }

  isWrite(index: number): boolean {
    return ((this.#what[index] ?? 0) & 1) === 1;
  }

  #grow(): void {
    const length = this.#atMs.length * 2;
    const [atMs, first, what] = [new Uint32Array(length), new Uint32Array(length), new Uint16Array(length)];
    atMs.set(this.#atMs);
    first.set(this.#first);
    what.set(this.#what);
    this.#atMs = atMs;
    this.#first = first;
    this.#what = what;
  }
}
