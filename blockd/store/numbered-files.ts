// Files that a store keeps for a person to look at, in a directory of their own: numbered, and the newest few.
import { join } from 'node:path';
import { type Disk, UNFINISHED } from '../../common/disk/disk.ts';

const DIGITS = 8;

export interface NumberedFilesParts {
  readonly disk: Disk;
  readonly directory: string;
  /** Theirs by the whole name; others in the directory are left alone. */
  readonly name: RegExp;
  readonly filesMax: number;
}

/** A kind of such files; one is made at a time. */
export class NumberedFiles {
  readonly #parts: NumberedFilesParts;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: NumberedFilesParts) {
    this.#parts = parts;
  }

  /**
   * Makes the next one: `make` is given its path, and answers whether there is something at it, durably; then the oldest
   * make room. The directory is there, and nothing of what a kill left unfinished.
   * @throws Error of the disk
   */
  add(rest: string, make: (path: string) => Promise<boolean>): Promise<void> {
    const added = this.#turn.then(() => this.#add(rest, make));
    this.#turn = added.catch(() => undefined);
    return added;
  }

  async #add(rest: string, make: (path: string) => Promise<boolean>): Promise<void> {
    const { disk, directory, name, filesMax } = this.#parts;
    await disk.makeDirectory(directory);
    const all = await disk.list(directory);
    const isUnfinished = (one: string): boolean =>
      one.endsWith(UNFINISHED) && name.test(one.slice(0, -UNFINISHED.length));
    for (const left of all.filter(isUnfinished)) await disk.remove(join(directory, left));
    const before = all.filter((one) => name.test(one));
    const number = Number(before.at(-1)?.slice(0, DIGITS) ?? 0) + 1;
    if (!(await make(join(directory, `${`${number}`.padStart(DIGITS, '0')}-${rest}`)))) return;
    for (const old of before.slice(0, Math.max(0, before.length + 1 - filesMax)))
      await disk.remove(join(directory, old));
  }
}
