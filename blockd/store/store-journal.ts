// The journal of one image with the word on its failures: a full disk passes, everything else is final, for what is on the
// disk then is unknown (promises S2, S9). Knows no record's meaning.
import { isFull } from '../../common/disk/disk-room.ts';
import { OperationError } from '../../common/errors.ts';
import type { Journal } from '../../common/journal/journal.ts';
import type { StoreRecord } from './store-record.ts';

/** The journal's writers take turns here. */
export class StoreJournal {
  readonly #image: string;
  readonly #journal: Journal<StoreRecord>;
  #turn: Promise<void> = Promise.resolve();
  #failure: OperationError | undefined;

  constructor(image: string, journal: Journal<StoreRecord>) {
    this.#image = image;
    this.#journal = journal;
  }

  /** Why nothing can be made durable any more; undefined while all is well, and while the disk is only full. */
  get failure(): OperationError | undefined {
    return this.#failure;
  }

  /** As of `Journal`: where the next append goes. */
  get sizeBytes(): number {
    return this.#journal.sizeBytes;
  }

  /**
   * Appends one after the other: what a record says is known in memory before the next one is made.
   * @throws OperationError ENOSPC, and then nothing was written; STORE_FAILED
   */
  async inTurn(write: (journal: Journal<StoreRecord>) => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const turn = this.#turn.then(() => write(this.#journal));
    this.#turn = turn.catch(() => undefined);
    await this.#judge(turn);
  }

  /**
   * Lets a journal begin with another record, and keeps what was appended from a position on. Takes no turn.
   * @throws OperationError ENOSPC, and then nothing has changed; STORE_FAILED
   */
  async replaceHead(record: StoreRecord, headBytes: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await this.#judge(this.#journal.replaceHead([record], headBytes));
  }

  /** What a step with the image's files failed with. A disk that is full when it is synced is no passing thing. */
  errorOf(cause: unknown): OperationError {
    return cause instanceof OperationError && cause.code === 'ENOSPC' ? cause : this.#fail(cause);
  }

  async #judge(step: Promise<void>): Promise<void> {
    try {
      await step;
    } catch (cause) {
      throw this.#journal.failure === undefined && isFull(cause) ? this.#full(cause) : this.#fail(cause);
    }
  }

  #full(cause: unknown): OperationError {
    return new OperationError('ENOSPC', `the disk of this node has no room for the journal of image ${this.#image}`, {
      remedy: 'Make room on it; nothing that was flushed is lost, and the image goes on by itself.',
      cause,
    });
  }

  #fail(cause: unknown): OperationError {
    this.#failure ??= new OperationError('STORE_FAILED', `image ${this.#image} cannot be made durable on this node`, {
      remedy: 'Mend the disk of this node, then restart blockd: the image is at its last flush then, or later.',
      cause,
    });
    return this.#failure;
  }
}
