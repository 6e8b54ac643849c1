// When each layer was last read from end to end, kept over restarts, so that people can see how old the word is that a copy
// is good. It reads no layer itself.
import { Type } from '#typebox';
import type { Disk } from '../../common/disk/disk.ts';
import { LayerId } from '../../wire/names.ts';
import { StateFile } from '../image/state-file.ts';

const Scrubs = Type.Array(Type.Object({ layer: LayerId, atMs: Type.Number() }));

/** The last scrubs of one store's layers. */
export class ScrubLedger {
  readonly #file: StateFile<typeof Scrubs>;
  readonly #atMs = new Map<string, number>();

  constructor(disk: Disk, path: string) {
    this.#file = new StateFile(disk, path, Scrubs);
  }

  async load(): Promise<void> {
    for (const { layer, atMs } of (await this.#file.read()) ?? []) this.#atMs.set(layer, atMs);
  }

  /** A layer was read; those that are not `present` any more are forgotten. @throws Error of the disk */
  async note(layer: string, atMs: number, present: readonly string[]): Promise<void> {
    this.#atMs.set(layer, atMs);
    for (const known of this.#atMs.keys()) if (!present.includes(known)) this.#atMs.delete(known);
    await this.#file.write(Array.from(this.#atMs, ([name, ms]) => ({ layer: name, atMs: ms })));
  }

  /** When the one of the layers was read that was not for longest, ms since 1970; null when one never was. */
  oldestOf(layers: readonly string[]): number | null {
    const times = layers.map((layer) => this.#atMs.get(layer));
    return times.reduce<number | null>((oldest, atMs) => (atMs === undefined ? null : least(oldest, atMs)), Infinity);
  }
}

function least(oldest: number | null, atMs: number): number | null {
  return oldest === null ? null : Math.min(oldest, atMs);
}
