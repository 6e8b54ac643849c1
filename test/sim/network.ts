// The links between simulated processes: delay, loss, duplicates, reordering and one-way cuts between nodes; order and
// no loss inside one. A message is a closure that runs at the receiver, if it lives.
import type { SimClock } from './clock.ts';
import type { Prng } from './prng.ts';
import type { SimProcess } from './process.ts';

export interface LinkFaults {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  readonly loss: number;
  readonly duplicate: number;
}

/** Between two daemons of one node, in ms. */
const LOCAL_DELAY_MS = 0.3;

export class SimNetwork {
  readonly #clock: SimClock;
  readonly #prng: Prng;
  #faults: LinkFaults;
  readonly #cuts = new Set<string>();
  readonly #lags = new Map<string, number>();
  /** When the last local message of a pair arrives: local calls keep their order. */
  readonly #localArrivals = new Map<string, number>();

  constructor(clock: SimClock, prng: Prng, faults: LinkFaults) {
    this.#clock = clock;
    this.#prng = prng;
    this.#faults = faults;
  }

  /** Nothing sent from one node arrives at the other, nor what is on its way. */
  cut(fromNode: string, toNode: string): void {
    this.#cuts.add(`${fromNode}>${toNode}`);
  }

  /** That cut ends. */
  mend(fromNode: string, toNode: string): void {
    this.#cuts.delete(`${fromNode}>${toNode}`);
  }

  /** What is sent from now on comes so much later; 0: as usual. */
  lag(fromNode: string, toNode: string, ms: number): void {
    this.#lags.set(`${fromNode}>${toNode}`, ms);
  }

  lagMs(fromNode: string, toNode: string): number {
    return this.#lags.get(`${fromNode}>${toNode}`) ?? 0;
  }

  /** No cut, no lag, no loss, no duplicate from now on. */
  heal(): void {
    this.#cuts.clear();
    this.#lags.clear();
    this.#faults = { ...this.#faults, loss: 0, duplicate: 0 };
  }

  isCut(fromNode: string, toNode: string): boolean {
    return this.#cuts.has(`${fromNode}>${toNode}`);
  }

  /** Carries one message; `refused` runs at the sender if the receiver's process is down when it arrives. */
  send(from: SimProcess, to: SimProcess, deliver: () => void, refused?: () => void): void {
    if (from.node === to.node) this.#sendLocal(from, to, deliver, refused);
    else if (!this.isCut(from.node, to.node)) this.#sendCopies(from, to, deliver, refused);
  }

  #sendCopies(from: SimProcess, to: SimProcess, deliver: () => void, refused?: () => void): void {
    const copies = this.#prng.chance(this.#faults.loss) ? 0 : this.#prng.chance(this.#faults.duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) this.#sendFar(from, to, deliver, refused);
  }

  #sendFar(from: SimProcess, to: SimProcess, deliver: () => void, refused?: () => void): void {
    const delayMs = this.#prng.between(this.#faults.delayMsMin, this.#faults.delayMsMax);
    this.#clock.after(delayMs + this.lagMs(from.node, to.node), () => {
      if (this.isCut(from.node, to.node)) return;
      if (!to.isDown) to.run(to.life, deliver);
      else if (refused) this.send(to, from, refused);
    });
  }

  #sendLocal(from: SimProcess, to: SimProcess, deliver: () => void, refused?: () => void): void {
    const pair = `${from.name}>${to.name}`;
    const atMs = Math.max(this.#clock.nowMs + LOCAL_DELAY_MS, this.#localArrivals.get(pair) ?? 0);
    this.#localArrivals.set(pair, atMs);
    this.#clock.after(atMs - this.#clock.nowMs, () => {
      if (!to.isDown) to.run(to.life, deliver);
      else if (refused) this.#clock.after(LOCAL_DELAY_MS, refused);
    });
  }

  /**
   * A call: `serve` runs at the callee, perhaps twice, and may answer at once or later; then either `done` (each time an
   * answer comes) or, once, `failed` runs at the caller if it still lives the same life.
   */
  call<T>(
    from: SimProcess,
    to: SimProcess,
    timeoutMs: number,
    serve: (answer: (value: T) => void) => void,
    done: (value: T) => void,
    failed: () => void,
  ): void {
    const life = from.life;
    let isOver = false;
    const fail = () =>
      from.run(life, () => {
        if (isOver) return;
        isOver = true;
        failed();
      });
    const answer = (value: T) =>
      from.run(life, () => {
        isOver = true;
        done(value);
      });
    this.send(from, to, () => serve((value) => this.send(to, from, () => answer(value))), fail);
    this.#clock.after(timeoutMs, fail);
  }
}
