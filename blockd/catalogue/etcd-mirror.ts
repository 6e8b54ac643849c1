// What a catalogue has seen of its records in etcd: the heads, the revision of each, and the newest commit among them.
// Follows what it is given; asks nobody.
import { type CatalogueRecord, isHeld } from './catalogue-records.ts';
import { CatalogueTable } from './catalogue-table.ts';
import type { CommitLog } from './etcd-commit-log.ts';

/** The records in memory, as they were at one commit. */
export class EtcdMirror {
  readonly table = new CatalogueTable();
  readonly #revisions = new Map<string, number>();
  #log: CommitLog;

  constructor(log: CommitLog) {
    this.#log = log;
  }

  /** The commits that memory has seen. */
  get log(): CommitLog {
    return this.#log;
  }

  /** When the record was last written; 0 if it is not there, undefined if it is of a kind that memory does not hold. */
  revisionOf(key: string): number | undefined {
    return isHeld(key) ? (this.#revisions.get(key) ?? 0) : undefined;
  }

  /** Takes a record as it is now. @throws OperationError CATALOGUE_DAMAGED */
  take(record: CatalogueRecord, revision: number): void {
    this.table.take(record);
    if (record.text === undefined) this.#revisions.delete(record.key);
    else if (isHeld(record.key)) this.#revisions.set(record.key, revision);
  }

  /** Says that every record of these commits has been taken. */
  advance(log: CommitLog): void {
    this.#log = log;
  }
}
