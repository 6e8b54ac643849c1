// The catalogue's records as they were told last, kept at this store so that a catalogue that was lost can be made again
// and one that is older than what was told is noticed (SOUNDNESS A17, D1). Never gives newer ones up for older ones.
import { isNewerMark } from '../../common/catalogue-mark.ts';
import type { Disk } from '../../common/disk.ts';
import { type CatalogueMark, KeptRecords } from '../../wire/contracts/store-report.ts';
import { StateFile } from './state-file.ts';

/** One store's copy. */
export class RecordBook {
  readonly #file: StateFile<typeof KeptRecords>;
  #kept: KeptRecords | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, path: string) {
    this.#file = new StateFile(disk, path, KeptRecords);
  }

  /** Reads what an earlier process wrote. */
  async load(): Promise<void> {
    this.#kept = (await this.#file.read()) ?? null;
  }

  get kept(): KeptRecords | null {
    return this.#kept;
  }

  /** Keeps them unless what is here is newer; answers what is kept, which is durable. @throws Error of the disk */
  keep(records: KeptRecords): Promise<CatalogueMark> {
    const kept = this.#turn.then(async () => {
      if (this.#kept !== null && !isNewerMark(records.mark, this.#kept.mark)) return this.#kept.mark;
      await this.#file.write(records);
      this.#kept = records;
      return records.mark;
    });
    this.#turn = kept.catch(() => undefined);
    return kept;
  }
}
