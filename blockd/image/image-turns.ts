// One step to an image at a time, whoever asks; steps of different images overlap.

/** The turns of all images, by name. */
export class ImageTurns {
  readonly #turns = new Map<string, Promise<unknown>>();

  /** Takes the step after every earlier one of the image, however those ended. */
  async take<T>(image: string, step: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(image) ?? Promise.resolve();
    const turn = before.then(step, step);
    const quiet = turn.catch(() => undefined);
    this.#turns.set(image, quiet);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(image) === quiet) this.#turns.delete(image);
    }
  }

  /** In the turns of all of them at once, taken in one order by everyone. */
  takeAll<T>(images: readonly string[], step: () => Promise<T>): Promise<T> {
    const names = [...new Set(images)].sort();
    return names.reduceRight<() => Promise<T>>((inner, name) => () => this.take(name, inner), step)();
  }
}
