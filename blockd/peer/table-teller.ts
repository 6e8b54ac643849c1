// Tells one follower a layer's table, as fast as its stream takes it, and then each durable change: what is said in which
// order, and the sign of life between. A state machine over frames.
import type { Clock, Timer } from '../../common/clock.ts';
import type { ImageStore } from '../store/image-store.ts';
import type { TableTelling } from '../store/table-listeners.ts';
import { partsOfRuns } from '../table/version-run.ts';
import type { TableMark } from '../table/version-table.ts';
import { ENTRY_BYTES_MAX, type PeerFrame } from './peer-frame.ts';

/** A follower takes a writer that says nothing for three of these for dead. */
export const HEARTBEAT_MS = 5_000;

/** What more a follower is told with a barrier's changes, and when. */
export interface TellerExtras {
  /** A barrier begins: the blocks of these runs are as its record will say, in this very step. */
  prepare(runs: Buffer): void;
  /** Before the entries of a barrier that has passed, and whose mark follows. */
  before(runs: Buffer): void;
  /** A mark was sent; `isNew`: not one that is only said again. */
  marked(mark: TableMark, isNew: boolean): void;
}

export interface TableTellerParts {
  readonly store: ImageStore;
  /** What the follower has already; undefined when it wants the whole table. */
  readonly afterSequence: number | undefined;
  readonly clock: Clock;
  readonly send: (frame: PeerFrame) => void;
  /** Whether the stream takes no more at present; `drained` is called then. */
  readonly isFull: () => boolean;
  readonly extras?: TellerExtras;
}

/** From the question of one follower to the end of its stream. */
export class TableTeller {
  readonly #parts: TableTellerParts;
  readonly #telling: TableTelling;
  #holdersTold = 0;
  #nextPart: Timer | undefined;
  #heartbeat: Timer | undefined;

  constructor(parts: TableTellerParts) {
    this.#parts = parts;
    const { store, afterSequence, send } = parts;
    const { epoch, ends } = store.state;
    send({ type: 'begin', whole: afterSequence === undefined, blocks: store.blocks, epoch, ends });
    const listener = {
      prepare: (runs: Buffer) => parts.extras?.prepare(runs),
      changes: (runs: Buffer, mark: TableMark | undefined) => this.#changed(runs, mark),
    };
    this.#telling = store.follow(listener, afterSequence);
    this.#tellNext();
  }

  drained(): void {
    if (this.#nextPart === undefined) this.#tellNext();
  }

  close(): void {
    this.#telling.leave();
    this.#nextPart?.cancel();
    this.#heartbeat?.cancel();
  }

  /** A part at a time, and others have their turn between two: a large table takes a second and more. */
  #tellNext(): void {
    this.#nextPart = undefined;
    if (this.#parts.isFull()) return;
    const runs = this.#telling.next();
    if (runs === undefined) return;
    this.#tell(runs);
    this.#nextPart = this.#parts.clock.setTimer(0, () => this.#tellNext());
  }

  #changed(runs: Buffer, mark: TableMark | undefined): void {
    if (mark !== undefined) this.#parts.extras?.before(runs);
    this.#tell(runs);
    if (mark !== undefined) this.#tellMark(mark, true);
  }

  #tell(runs: Buffer): void {
    const { store, send } = this.#parts;
    for (; this.#holdersTold < store.holders.length; this.#holdersTold++) {
      const name = store.holderName(this.#holdersTold);
      send({ type: 'holder', index: this.#holdersTold, name });
    }
    for (const part of partsOfRuns(runs, ENTRY_BYTES_MAX)) send({ type: 'entries', runs: part });
  }

  #tellMark(mark: TableMark, isNew: boolean): void {
    const { clock, send, extras } = this.#parts;
    send({ type: 'mark', mark });
    extras?.marked(mark, isNew);
    this.#heartbeat?.cancel();
    this.#heartbeat = clock.setTimer(HEARTBEAT_MS, () => this.#tellMark(mark, false));
  }
}
