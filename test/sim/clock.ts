// Virtual time: events in the order of their moment, then of their making. Time passes only by `next`, never by itself.

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class SimClock {
  #nowMs = 0;
  #order = 0;
  /** A binary heap, the earliest first. */
  readonly #heap: Event[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): void {
    this.#order += 1;
    this.#heap.push({ atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, run });
    this.#rise(this.#heap.length - 1);
  }

  /** Runs the earliest event; false if there is none before the limit. */
  next(limitMs: number): boolean {
    const first = this.#heap[0];
    if (!first || first.atMs > limitMs) return false;
    const last = this.#heap.pop();
    if (last && last !== first) this.#sink(last);
    this.#nowMs = first.atMs;
    first.run();
    return true;
  }

  #rise(start: number): void {
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfEarlier(index, parent)) return;
      index = parent;
    }
  }

  #sink(event: Event): void {
    let index = 0;
    this.#heap[0] = event;
    for (;;) {
      const left = 2 * index + 1;
      const child = this.#isEarlier(left + 1, left) ? left + 1 : left;
      if (!this.#swapIfEarlier(child, index)) return;
      index = child;
    }
  }

  #isEarlier(index: number, other: number): boolean {
    const a = this.#heap[index];
    const b = this.#heap[other];
    return a !== undefined && b !== undefined && (a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order));
  }

  #swapIfEarlier(index: number, other: number): boolean {
    const a = this.#heap[index];
    const b = this.#heap[other];
    if (!a || !b || !this.#isEarlier(index, other)) return false;
    this.#heap[index] = b;
    this.#heap[other] = a;
    return true;
  }
}
