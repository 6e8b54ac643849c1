// Keeps a journal short. A rewrite that fails is left for the next time: what was appended is durable already, and a disk that
// has room for a record, but not for a second journal, must not have the command that it is of called failed.
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Journal } from './journal.ts';

export interface ShortJournal<T> {
  /** From this size on it is rewritten as the state that it leads to. */
  readonly bytesMax: number;
  readonly records: () => readonly T[];
  readonly log: Log;
}

/** Answers whether it was rewritten; never rejects. */
export async function keepShort<T>(
  journal: Pick<Journal<T>, 'rewrite' | 'sizeBytes'>,
  { bytesMax, records, log }: ShortJournal<T>,
): Promise<boolean> {
  if (journal.sizeBytes <= bytesMax) return false;
  try {
    await journal.rewrite(records());
    return true;
  } catch (error) {
    log.error({ reason: messageOf(error), bytes: journal.sizeBytes }, 'a journal could not be shortened');
    return false;
  }
}
