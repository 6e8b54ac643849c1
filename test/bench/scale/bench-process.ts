// A part of `bench overlay-scale` in a process of its own, so that its processor time and its memory are its own: it is asked by
// messages, one answer for each question.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { OperationError } from '../../../common/errors.ts';

interface Answer {
  readonly id: number;
  readonly answer?: unknown;
  readonly failure?: string;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Asked with `Q`, which name the questions and what belongs to each; the answers to each are in `A`. */
export class BenchProcess<Q extends { readonly kind: string }, A extends Record<Q['kind'], unknown>> {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  constructor(name: string, file: string, words: readonly string[], nodeOptions: readonly string[] = []) {
    this.#name = name;
    this.#child = fork(file, words, { execArgv: ['--disable-warning=ExperimentalWarning', ...nodeOptions] });
    this.#child.on('message', (message) => this.#take(message as Answer));
    this.#child.once('exit', (code, signal) => this.#ended(`${name} ended with ${signal ?? code}`));
  }

  /** @throws OperationError BENCH_PART_FAILED when it fails, or ends before it has answered */
  async ask<K extends Q['kind']>(question: Q & { readonly kind: K }): Promise<A[K]> {
    const id = ++this.#asked;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    if (!this.#child.connected) this.#ended(`${this.#name} has ended`);
    else this.#child.send({ id, question });
    return (await promise) as A[K];
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  #take({ id, answer, failure }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (failure === undefined) waiting?.resolve(answer);
    else waiting?.reject(new OperationError('BENCH_PART_FAILED', `${this.#name}: ${failure}`));
  }

  #ended(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new OperationError('BENCH_PART_FAILED', reason));
    this.#waiting.clear();
  }
}

/** In such a process: answers questions as long as it lives, and ends with the one that asks. */
export function answerQuestions<Q extends { readonly kind: string }>(answer: (question: Q) => unknown): void {
  process.on('message', (message) => {
    const { id, question } = message as { id: number; question: Q };
    const told = async (): Promise<unknown> => answer(question);
    told().then(
      (value) => process.send?.({ id, answer: value }),
      (error: unknown) => process.send?.({ id, failure: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.once('disconnect', () => process.exit(0));
}
