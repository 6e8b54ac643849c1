// The wait of a migration's memory for the blocks that go ahead of it: until hardly anything is missing at the place, for
// as long as was asked at most. Sans-IO: whoever pushes tells it what is missing at each look.

/** So little goes beside the memory as well: 4 MiB. */
const REST_BLOCKS = 1_024;
/** For so long in a row: a guest that has just started may be about to write much. */
const QUIET_MS = 1_000;

interface Wait {
  readonly place: string;
  readonly untilMs: number;
  readonly answer: (missing: number | null) => void;
}

/** The wait of one image, if there is one. */
export class PushLead {
  #wait: Wait | undefined;
  #quietSinceMs: number | undefined;
  #missing: number | null = null;

  get isOn(): boolean {
    return this.#wait !== undefined;
  }

  /** Answers the blocks that were missing when it ended, null if nobody knew. An earlier one ends. */
  begin(place: string, untilMs: number): Promise<number | null> {
    this.end();
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.#wait = { place, untilMs, answer: resolve };
    return promise;
  }

  /**
   * True while there is one and it is worth it; else it ends. `coming`: where the image is about to be written; `missingAt`:
   * blocks, undefined while a place cannot take any.
   */
  goesOn(nowMs: number, coming: string | undefined, missingAt: (place: string) => number | undefined): boolean {
    const wait = this.#wait;
    if (wait === undefined) return false;
    if (wait.place === coming && this.#isWorth(wait, nowMs, missingAt(coming))) return true;
    this.end();
    return false;
  }

  end(): void {
    this.#wait?.answer(this.#missing);
    this.#wait = undefined;
    this.#quietSinceMs = undefined;
    this.#missing = null;
  }

  #isWorth({ untilMs }: Wait, nowMs: number, missing: number | undefined): boolean {
    this.#missing = missing ?? null;
    if (missing === undefined || missing > REST_BLOCKS) this.#quietSinceMs = undefined;
    else this.#quietSinceMs ??= nowMs;
    const isQuiet = this.#quietSinceMs !== undefined && nowMs - this.#quietSinceMs >= QUIET_MS;
    return !isQuiet && nowMs < untilMs;
  }
}
