// Who is told of an image's durable changes: each walks through the table at its own pace, hears beside that what every
// barrier changes, and is told the table's mark once it has all of it. Nobody hears of what is not durable (SOUNDNESS
// A2); the barriers say when that is.
import { TableWalk } from '../table/table-walk.ts';
import type { TableMark, VersionTable } from '../table/version-table.ts';

/** Who is told of durable changes. */
export interface TableListener {
  /** A barrier begins that will tell a mark: in this very step its blocks are as its record will say. It may still fail. */
  prepare?(runs: Buffer): void;
  /**
   * What a barrier has made durable: runs as in `version-run.ts`, holders by this store's index. `mark`: the table as of
   * that barrier; undefined for one who had not walked through the table when the barrier began.
   */
  changes(runs: Buffer, mark: TableMark | undefined): void;
}

/** One listener's way through the table. */
export interface TableTelling {
  /** The next entries, as `changes`; undefined once there are no more: the next barrier tells the mark. */
  next(): Buffer | undefined;
  /** Nothing is told any more. */
  leave(): void;
}

interface Listening {
  readonly listener: TableListener;
  readonly walk: TableWalk;
}

/** The listeners of one image. */
export class TableListeners {
  readonly #table: VersionTable;
  readonly #all = new Set<Listening>();

  constructor(table: VersionTable) {
    this.#table = table;
  }

  get count(): number {
    return this.#all.size;
  }

  /** `walked`: called when it has walked through the table, for a barrier with a mark. */
  add(listener: TableListener, afterSequence: number | undefined, walked: () => void): TableTelling {
    const walk = new TableWalk(this.#table, afterSequence);
    const listening = { listener, walk };
    this.#all.add(listening);
    return {
      next: () => {
        if (walk.isOver) return undefined;
        const runs = walk.next();
        if (walk.isOver) walked();
        return runs;
      },
      leave: () => void this.#all.delete(listening),
    };
  }

  /**
   * At a barrier's beginning; the answered function tells everyone, once it is durable. A walk that ends in between has
   * left out what changed in between, and the mark is of before: its listener waits for the next barrier.
   */
  prepare(changed: Buffer): (runs: Buffer, mark: TableMark) => void {
    const informed = new Set(Array.from(this.#all).filter(({ walk }) => walk.isOver));
    for (const { listener } of informed) listener.prepare?.(changed);
    return (runs, mark) => {
      for (const one of this.#all) one.listener.changes(runs, informed.has(one) ? mark : undefined);
    };
  }
}
