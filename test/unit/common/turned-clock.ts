// A clock that moves only when a test turns it.
import type { Clock, Timer } from '../../../common/clock.ts';

interface Pending {
  readonly atMs: number;
  readonly fire: () => void;
}

export class TurnedClock implements Clock {
  #nowMs = 0;
  #wallMs: number;
  readonly #pending = new Set<Pending>();

  constructor(wallMs: number = Date.now()) {
    this.#wallMs = wallMs;
  }

  get timers(): number {
    return this.#pending.size;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const pending = { atMs: this.#nowMs + delayMs, fire };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  /** Lets time pass; every timer fires at its moment. */
  turn(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#move(next.atMs);
      this.#pending.delete(next);
      next.fire();
    }
    this.#move(untilMs);
  }

  /** As a process that was stopped finds it: the time is gone, and what was due then fires once, late. */
  jump(ms: number): void {
    this.#move(this.#nowMs + ms);
    for (const due of [...this.#pending].filter((pending) => pending.atMs <= this.#nowMs)) {
      this.#pending.delete(due);
      due.fire();
    }
  }

  #move(toMs: number): void {
    this.#wallMs += toMs - this.#nowMs;
    this.#nowMs = toMs;
  }

  #next(untilMs: number): Pending | undefined {
    return [...this.#pending].filter((one) => one.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
  }
}
