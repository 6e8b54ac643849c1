// A daemon of the simulated world: it can be killed, restarted and stopped (SIGSTOP). What was meant for an earlier
// life is dropped, what comes while it is stopped waits in order.
import type { SimClock } from './clock.ts';

export type ProcessState = 'up' | 'frozen' | 'down';

export class SimProcess {
  readonly name: string;
  readonly node: string;
  readonly #clock: SimClock;
  /** Runs at each start, with nothing in memory. */
  readonly #boot: () => void;
  #state: ProcessState = 'down';
  #life = 0;
  #waiting: (() => void)[] = [];

  constructor(name: string, node: string, clock: SimClock, boot: () => void) {
    this.name = name;
    this.node = node;
    this.#clock = clock;
    this.#boot = boot;
  }

  get state(): ProcessState {
    return this.#state;
  }
  get isDown(): boolean {
    return this.#state === 'down';
  }
  /** Counts starts: closures of an earlier life must do nothing. */
  get life(): number {
    return this.#life;
  }

  start(): void {
    if (this.#state !== 'down') return;
    this.#state = 'up';
    this.#life += 1;
    this.#boot();
  }

  crash(): void {
    this.#state = 'down';
    this.#waiting = [];
  }

  freeze(): void {
    if (this.#state === 'up') this.#state = 'frozen';
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'up';
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) this.run(this.#life, run);
  }

  /** Runs now, after the thaw, or (in another life) never. */
  run(life: number, work: () => void): void {
    if (life !== this.#life || this.#state === 'down') return;
    if (this.#state === 'up') work();
    else this.#waiting.push(work);
  }

  /** Runs after the delay, in this life only. */
  after(delayMs: number, work: () => void): void {
    const life = this.#life;
    this.#clock.after(delayMs, () => this.run(life, work));
  }
}
