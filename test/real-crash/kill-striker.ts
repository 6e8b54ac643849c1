// Kills daemons at their Nth system call. Not a test itself.
import { join } from 'node:path';
import type { BlockdNode } from '../interop/blockd-node.ts';
import type { Prng } from '../sim/prng.ts';
import { AttachedStrace, type CallCounts, drawStrike } from './attached-strace.ts';
import type { Held, Side, Striker } from './striker.ts';

/** How often each side makes each call in a move in which nothing happens. */
export type SideCounts = Map<Side, CallCounts>;

export class KillStriker implements Striker {
  readonly plants = [];
  readonly #root: string;
  readonly #prng: Prng;
  readonly #counts: SideCounts;

  /** `counts`: filled by the first move, for all images of a run. */
  constructor(root: string, prng: Prng, counts: SideCounts) {
    this.#root = root;
    this.#prng = prng;
    this.#counts = counts;
  }

  get isReady(): boolean {
    return this.#counts.size === 2;
  }

  async stateOf(): Promise<undefined> {
    // Wherever it is: a killed daemon's files stay as they are.
  }

  async hold(node: BlockdNode, side: Side): Promise<Held> {
    const counts = this.#counts.get(side);
    const strike = counts === undefined ? undefined : drawStrike(counts, this.#prng);
    const strace = await AttachedStrace.attach(node.pid, join(this.#root, `${side}.trace`), strike);
    let hasDied = false;
    void node.ended().then(() => {
      hasDied = true;
    });
    return {
      how: strike === undefined ? 'in peace' : `the ${side} killed at ${strike.call} ${strike.nth}`,
      letGo: async () => {
        const seen = await strace.detach();
        if (strike === undefined) this.#counts.set(side, seen);
        return hasDied;
      },
    };
  }

  async revive(): Promise<NodeJS.ProcessEnv> {
    return {};
  }

  async end(): Promise<void> {
    // strace ends with whom it holds.
  }
}
