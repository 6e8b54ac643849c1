// Reads that wait for the disk, in libuv's pool: enough at once to keep the disk's queue filled, and always fewer than the
// pool has threads, so that no flush and no journal record waits behind them. It reads nothing itself.

/** As many as nbdkit has threads; a disk that needs more in its queue to be busy is rare. */
const AT_ONCE = 16;
/** For flushes, journals and room on the disk. */
const THREADS_FOR_OTHERS = 4;

// libuv makes its threads when it is first asked for one, which is after all modules were loaded.
process.env.UV_THREADPOOL_SIZE ??= `${AT_ONCE + THREADS_FOR_OTHERS}`;
const threads = Number(process.env.UV_THREADPOOL_SIZE);

/** Lets so many begin at a time; the others wait in their order. */
export class ReadLane {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async run(read: () => Promise<void>): Promise<void> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      await read();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

/** The process has one pool, and so one lane. */
export const coldReads = new ReadLane(Math.max(1, Math.min(AT_ONCE, threads - THREADS_FOR_OTHERS)));
