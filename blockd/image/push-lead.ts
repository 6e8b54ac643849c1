// The wait of a migration's memory for the blocks that go ahead of it: until hardly anything is missing at the place, for
// as long as was asked at most. Sans-IO: whoever pushes tells it what is missing at each look.

/** So little goes beside the memory as well: 4 MiB. */
const REST_BLOCKS = 1_024;
/** For so long in a row: a guest that has just started may be about to write much. */
const QUIET_MS = 1_000;

export class PushLead {
  readonly place: string;
  readonly #untilMs: number;
  readonly #over = Promise.withResolvers<number | null>();
  #quietSinceMs: number | undefined;
  #missing: number | null = null;

  constructor(place: string, untilMs: number) {
    this.place = place;
    this.#untilMs = untilMs;
  }

  /** Answers the blocks that were missing when it ended, null if nobody knew. */
  get over(): Promise<number | null> {
    return this.#over.promise;
  }

  /** True while it is worth waiting. `missing`: blocks, undefined while the place cannot take any. */
  goesOn(nowMs: number, missing: number | undefined): boolean {
    this.#missing = missing ?? null;
    if (missing === undefined || missing > REST_BLOCKS) this.#quietSinceMs = undefined;
    else this.#quietSinceMs ??= nowMs;
    const isQuiet = this.#quietSinceMs !== undefined && nowMs - this.#quietSinceMs >= QUIET_MS;
    if (!isQuiet && nowMs < this.#untilMs) return true;
    this.end();
    return false;
  }

  /** The move is off, or the image is not written here any more; also after its end. */
  end(): void {
    this.#over.resolve(this.#missing);
  }
}
