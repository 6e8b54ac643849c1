// The numbers of an image's writes. None is given out that a restart could give out again: they are reserved durably, many
// at once, and a restart goes on at the reservation (SOUNDNESS A1).
import { OperationError } from '../../common/errors.ts';
import { SEQUENCE_MAX } from '../table/block-version.ts';
import type { StoreJournal } from './store-journal.ts';

/** Numbers reserved by one record: a restart skips at most these. */
export const RESERVATION = 2 ** 20;

/** The numbers of one image at this store. */
export class WriteNumbers {
  readonly #image: string;
  readonly #journal: StoreJournal;
  #next: number;
  #below: number;
  #reserving: Promise<void> | undefined;

  constructor(image: string, journal: StoreJournal, reservedBelow: number) {
    this.#image = image;
    this.#journal = journal;
    this.#next = reservedBelow;
    this.#below = reservedBelow;
  }

  /** Numbers from here on were never used, says the journal. */
  get reservedBelow(): number {
    return this.#below;
  }

  /** The next number; undefined while the reservation has to catch up (`reserve`). */
  take(): number | undefined {
    if (this.#next >= this.#below) return undefined;
    if (this.#below - this.#next === RESERVATION / 2) this.reserve().catch(() => this.#journal.failure);
    return this.#next++;
  }

  /** Makes more numbers usable. @throws OperationError SEQUENCE_END at the end of the 40 bits, ENOSPC, STORE_FAILED */
  reserve(): Promise<void> {
    this.#reserving ??= this.#reserveMore().finally(() => {
      this.#reserving = undefined;
    });
    return this.#reserving;
  }

  /** What a barrier's record reserves for a new writer: above everything used here and everything in the table. */
  forNewWriter(lastSequence: number): number {
    this.#next = Math.max(this.#below, lastSequence + 1);
    return Math.min(this.#next + RESERVATION, SEQUENCE_MAX + 1);
  }

  /** What a record in the journal says; to be told in the turn of its append. */
  adopt(reservedBelow: number): void {
    this.#below = reservedBelow;
  }

  async #reserveMore(): Promise<void> {
    if (this.#below > SEQUENCE_MAX) {
      throw new OperationError('SEQUENCE_END', `image ${this.#image} has used all ${SEQUENCE_MAX} write numbers`, {
        remedy: 'Copy it into a new image.',
      });
    }
    await this.#journal.inTurn(async (journal) => {
      const reservedBelow = Math.min(this.#below + RESERVATION, SEQUENCE_MAX + 1);
      await journal.append({ reservedBelow });
      // In the turn: a checkpoint that comes next must not begin its journal with the number before.
      this.adopt(reservedBelow);
    });
  }
}
