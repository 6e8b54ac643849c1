// One thing after the other: what is given to a turn begins when all that was given before has ended.

export class Turn {
  #last: Promise<unknown> = Promise.resolve();

  /** The work's own outcome; its failure ends nobody else's turn. */
  take<T>(work: () => Promise<T> | T): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
