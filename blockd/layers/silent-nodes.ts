// Which nodes were waited for in vain, and have not answered since: whoever asks one of them asks another beside it at once,
// so that a node that is away costs its time limit once and not for each block. One question of them is left open even when
// another has answered: else nobody would hear that they are back.
import type { Clock } from '../../common/clock.ts';

/** So long a question is left open; then the next one is. */
const OPEN_MS = 20_000;

export class SilentNodes {
  readonly #clock: Clock;
  /** What ends the question that is open, if one is. */
  readonly #nodes = new Map<string, (() => void) | undefined>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(node: string): boolean {
    return this.#nodes.has(node);
  }

  /** It was waited for in vain. */
  add(node: string): void {
    if (!this.has(node)) this.#nodes.set(node, undefined);
  }

  /** It has answered, whatever it said. */
  delete(node: string): void {
    const end = this.#nodes.get(node);
    this.#nodes.delete(node);
    end?.();
  }

  /** No question is left open. */
  close(): void {
    for (const node of [...this.#nodes.keys()]) this.delete(node);
  }

  /** Nobody waits for a question any more, which `end` ends: at once, unless it is the one that is left open. */
  over(node: string, end: () => void): void {
    if (!this.has(node) || this.#nodes.get(node) !== undefined) {
      end();
      return;
    }
    const stop = (): void => {
      timer.cancel();
      end();
    };
    const timer = this.#clock.setTimer(OPEN_MS, () => {
      if (this.#nodes.get(node) === stop) this.#nodes.set(node, undefined);
      end();
    });
    this.#nodes.set(node, stop);
  }
}
