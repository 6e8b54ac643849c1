// The overlay's changes on the disk, and when the file is written anew as the state that they lead to: once it has grown by as
// much again, so that a large overlay is not written whole for each small change.
import type { Journal } from '../../common/journal/journal.ts';
import { keepShort } from '../../common/journal/short-journal.ts';
import type { Log } from '../../common/log.ts';
import type { Overlay } from './overlay.ts';
import type { OverlayRecord } from './overlay-record.ts';

/** A smaller growth is not worth the writing. */
const GROWTH_BYTES_MIN = 1024 * 1024;

export class OverlayJournal {
  readonly #journal: Pick<Journal<OverlayRecord>, 'append' | 'rewrite' | 'sizeBytes'>;
  readonly #overlay: Pick<Overlay, 'apply' | 'records'>;
  readonly #log: Log;
  /** When it was last written anew. */
  #writtenBytes: number;

  constructor(
    journal: Pick<Journal<OverlayRecord>, 'append' | 'rewrite' | 'sizeBytes'>,
    overlay: Pick<Overlay, 'apply' | 'records'>,
    log: Log,
  ) {
    this.#journal = journal;
    this.#overlay = overlay;
    this.#log = log;
    this.#writtenBytes = journal.sizeBytes;
  }

  /** Durable first, then in force. @throws OperationError JOURNAL_FAILED */
  async take(record: OverlayRecord): Promise<void> {
    await this.#journal.append(record);
    this.#overlay.apply(record);
  }

  /** To be called after a change. Never rejects. */
  async writeAnewIfGrown(): Promise<void> {
    const bytesMax = this.#writtenBytes + Math.max(this.#writtenBytes, GROWTH_BYTES_MIN);
    const records = (): OverlayRecord[] => this.#overlay.records();
    if (await keepShort(this.#journal, { bytesMax, records, log: this.#log }))
      this.#writtenBytes = this.#journal.sizeBytes;
  }
}
