// Calls to the daemons of a simulated world, as an orchestrator makes them: they are lost, late and come twice. It decides
// nothing, but what a call is worth that came to nothing.
import { codeOf } from '../../common/errors.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { blockdContract } from '../../wire/contracts/blockd.ts';
import type { BlockNode } from './block-node.ts';
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

const CALL_TIMEOUT_MS = 4_000;
/** So late the daemon hears that a caller has given up, or that its connection is gone. */
const CANCEL_MS = 2_000;
/** How soon what came to nothing is asked again. */
export const RETRY_MS = 200;

export type Calls = Handlers<typeof blockdContract>;

export const CONTEXT = {
  peer: { node: 'k', role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
} as const;

export function endpoint({ name }: { readonly name: string }): { node: string; address: string } {
  return { node: name, address: '127.0.0.1' };
}

/** A call that came to nothing in time: it may have been taken, or be taken later. */
class LostCall extends Error {
  readonly code = 'LOST_CALL';
}

/** What passes by itself: it is asked again. */
const PASSING = ['LOST_CALL', 'ENOSPC', 'IMAGE_IN_USE'];
/** What a disk that fails comes to. */
const FAILED = ['EIO', 'STORE_FAILED'];

/** Whether it is what a failing disk of the node has come to: that is over once the node was started anew. */
export function isOfFailedDisk(node: BlockNode, error: unknown): boolean {
  return node.hasFailed && FAILED.includes(codeOf(error) ?? '');
}

/** One caller, which never dies itself. */
export class BlockCalls {
  readonly #world: World;
  readonly #process: SimProcess;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#process = new SimProcess(name, 'K', world.clock, () => undefined);
    this.#process.start();
  }

  /** Until it is taken: what was lost is asked again, what is refused is refused, but for these reasons. */
  async persist<T>(
    node: BlockNode,
    call: (calls: Calls) => Promise<T> | T,
    passing: readonly string[] = PASSING,
  ): Promise<T> {
    for (;;) {
      try {
        return await this.call(node, call);
      } catch (error) {
        const code = codeOf(error);
        // A disk that was full when the daemon began: its operator does what the error says.
        if (code === 'IMAGE_UNUSABLE') node.kill();
        else if (!isOfFailedDisk(node, error) && !(code !== undefined && [...PASSING, ...passing].includes(code)))
          throw error;
      }
      await this.after(RETRY_MS);
    }
  }

  /** Once. @throws LostCall when nothing comes back in time; whatever the daemon says */
  call<T>(node: BlockNode, call: (calls: Calls) => Promise<T> | T, timeoutMs = CALL_TIMEOUT_MS): Promise<T> {
    type Outcome = { readonly value: T } | { readonly error: unknown };
    return new Promise((resolve, reject) => {
      this.#world.network.call<Outcome>(
        this.#process,
        node.process,
        timeoutMs,
        (answer) => {
          // Those of the life that it came to: a later one has not found its images yet.
          const { started, calls } = node;
          const taken = started.then(() => call(calls));
          taken.then(
            (value) => answer({ value }),
            (error: unknown) => answer({ error }),
          );
        },
        (outcome) => ('value' in outcome ? resolve(outcome.value) : reject(outcome.error)),
        () => reject(new LostCall(`a call of ${node.name} was not answered`)),
      );
    });
  }

  after(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.clock.after(ms, resolve));
  }

  /** For a call that waits at its daemon: it is ended there once its caller has given it up. */
  waiting(timeoutMs: number): typeof CONTEXT {
    const end = new AbortController();
    this.#world.clock.after(timeoutMs + CANCEL_MS, () => end.abort());
    return { ...CONTEXT, signal: end.signal };
  }

  /** What takes longer than a call may is lost. */
  async within<T>(work: Promise<T>, ms = CALL_TIMEOUT_MS): Promise<T> {
    const lost = this.after(ms).then((): never => {
      throw new LostCall('it was not done in time');
    });
    lost.catch(() => undefined);
    return Promise.race([work, lost]);
  }
}

/** Of a step that has no use any more. */
export function lost(): never {
  throw new LostCall('it came too late');
}
