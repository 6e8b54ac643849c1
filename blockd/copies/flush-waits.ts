// The flushes of one image that wait until there are enough copies. Each is decided anew whenever something of the copies
// or the policy changes; none is answered otherwise than as the decision says. Knows no store and no stream.

interface Waiting {
  readonly sequence: number;
  resolve(): void;
  reject(reason: Error): void;
}

/** The waiting flushes. */
export class FlushWaits {
  #waiting: Waiting[] = [];

  get count(): number {
    return this.#waiting.length;
  }

  /** Settles when the sequence is safe, or as `end` says. */
  add(sequence: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ sequence, resolve, reject });
    return promise;
  }

  /** Answers those whose sequence may be answered at this moment. */
  decide(mayAnswer: (sequence: number) => boolean): void {
    if (this.#waiting.length === 0) return;
    const kept: Waiting[] = [];
    for (const one of this.#waiting) {
      if (mayAnswer(one.sequence)) one.resolve();
      else kept.push(one);
    }
    this.#waiting = kept;
  }

  /** No answer will come any more. */
  end(reason: Error): void {
    for (const one of this.#waiting.splice(0)) one.reject(reason);
  }
}
