// Things that must be done in the end, however often they fail: stages of idempotent chores, each repeated until it
// succeeds, a stage beginning when the one before is finished. Pure: it says what to do now and when to look again.

/** Waiting between two tries of one chore, in ms: what fails is a local daemon that restarts, which takes about as long. */
export const CHORE_RETRY_MS = 500;

export class Chores<N extends string> {
  readonly #stages: N[][];
  /** The chores of the present stage: when to try again, or `under way`. */
  readonly #open = new Map<N, number | 'under way'>();

  constructor(stages: readonly (readonly N[])[]) {
    this.#stages = stages.map((stage) => [...stage]);
  }

  get finished(): boolean {
    return this.#open.size === 0 && this.#stages.length === 0;
  }

  /** When `due` has something to say, in ms; Infinity while all is under way or finished. */
  get wakeAtMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...[...this.#open.values()].filter((at) => at !== 'under way'));
  }

  /** What to do now: each chore that is named is under way until `done` or `failed` is called with it. */
  due(nowMs: number): N[] {
    if (this.#open.size === 0) for (const chore of this.#stages.shift() ?? []) this.#open.set(chore, nowMs);
    const names = [...this.#open].filter(([, at]) => at !== 'under way' && at <= nowMs).map(([name]) => name);
    for (const name of names) this.#open.set(name, 'under way');
    return names;
  }

  /** Marks a chore as done; says what comes next. A chore that is not open is no news. */
  done(name: N, nowMs: number): N[] {
    return this.#open.delete(name) && this.#open.size === 0 ? this.due(nowMs) : [];
  }

  /** Marks a chore for another try. */
  failed(name: N, nowMs: number): void {
    if (this.#open.get(name) === 'under way') this.#open.set(name, nowMs + CHORE_RETRY_MS);
  }
}
