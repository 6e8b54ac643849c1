// Who is told of an image's durable changes: first the table as of one barrier, then what each later one changed. Nobody
// hears of what is not durable (SOUNDNESS A2); the barriers say when that is.
import type { TableMark, VersionTable } from '../table/version-table.ts';

/** Who is told of durable changes. Runs are as in `version-run.ts`, holders by this store's index. */
export interface TableListener {
  /** The whole table, or what is newer than the sequence it asked for. */
  whole(runs: Buffer, mark: TableMark): void;
  changes(runs: Buffer, mark: TableMark): void;
}

interface Newcomer {
  readonly listener: TableListener;
  readonly afterSequence: number | undefined;
}

/** The listeners of one image. */
export class TableListeners {
  readonly #table: VersionTable;
  readonly #listeners = new Set<TableListener>();
  readonly #newcomers = new Set<Newcomer>();

  constructor(table: VersionTable) {
    this.#table = table;
  }

  get count(): number {
    return this.#listeners.size + this.#newcomers.size;
  }

  /** The listener comes with the next barrier, and goes when the answered function is called. */
  add(listener: TableListener, afterSequence: number | undefined): () => void {
    const newcomer = { listener, afterSequence };
    this.#newcomers.add(newcomer);
    return () => {
      this.#newcomers.delete(newcomer);
      this.#listeners.delete(listener);
    };
  }

  /** What the table says now to those who come with this barrier; the answered function tells all, once it is durable. */
  prepare(): (runs: Buffer, mark: TableMark) => void {
    const newcomers = Array.from(this.#newcomers, (one) => ({ one, whole: this.#table.runs(one.afterSequence) }));
    return (runs, mark) => {
      for (const listener of this.#listeners) listener.changes(runs, mark);
      for (const { one, whole } of newcomers) this.#welcome(one, whole, mark);
    };
  }

  /** Tells the whole table to one who has not gone meanwhile. */
  #welcome(newcomer: Newcomer, whole: Buffer, mark: TableMark): void {
    if (!this.#newcomers.delete(newcomer)) return;
    this.#listeners.add(newcomer.listener);
    newcomer.listener.whole(whole, mark);
  }
}
