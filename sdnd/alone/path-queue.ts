// All paths in the order in which they began, so that the oldest can go first when there are too many. A queue, and no set: of a
// million paths the sets that they are in are most of what each costs. One that ended stays in it until its turn comes, or until
// those that ended are as many as the others.
import type { Path } from './path.ts';

const ENDED_MIN = 1_024;

export class PathQueue {
  #paths: Path[] = [];
  #first = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(path: Path): void {
    this.#paths.push(path);
    this.#count += 1;
    const ended = this.#paths.length - this.#first - this.#count;
    if (this.#first + ended > Math.max(ENDED_MIN, this.#count)) this.#tidy();
  }

  /** Its state is `gone` from now on. */
  remove(path: Path): void {
    if (path.state === 'gone') return;
    path.state = 'gone';
    this.#count -= 1;
  }

  /** Of those that are not on their way out. */
  oldest(): Path | undefined {
    for (; this.#first < this.#paths.length; this.#first += 1) {
      const path = this.#paths[this.#first];
      if (path?.state === 'installing' || path?.state === 'installed') return path;
    }
    return undefined;
  }

  #tidy(): void {
    this.#paths = this.#paths.slice(this.#first).filter(({ state }) => state !== 'gone');
    this.#first = 0;
  }
}
