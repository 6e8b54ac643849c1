// A stand-by's side of a writer's table: takes entries and marks, and says whether the own table equals what the writer
// said. A state machine; a table that differs is never taken for the image's (SOUNDNESS A4).
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { ImageStore } from '../store/image-store.ts';
import { type EpochEnd, isTail, sequenceOf } from '../table/block-version.ts';
import { HERE, readRuns, runsAreSound, type VersionRun } from '../table/version-run.ts';
import type { TableMark } from '../table/version-table.ts';

/** Nodes that ever held blocks of one image; an entry's holder has 16 bits. */
const HOLDERS_MAX = 16_384;

/** What a stand-by hears the writer's table from. */
export interface TableSource {
  readonly isEqual: boolean;
  /** Up to this sequence the own table was seen to equal the writer's. */
  readonly afterSequence: number | undefined;
  readonly ends: readonly EpochEnd[];
  equals(closing: Closing): boolean;
  marked(): Promise<void>;
}

/** Takes a table as another store tells it on a stream of the table's own. */
export interface TableTaker extends TableSource {
  /** Whether the stream that is read now told everything, so that a difference cannot be healed by asking for more. */
  readonly isWhole: boolean;
  /** A new stream begins; false when it is not of this image. */
  begin(whole: boolean, blocks: number, ends: readonly EpochEnd[]): boolean;
  /** False when it names more nodes than there can be. */
  holder(index: number, name: string): boolean;
  /** False when they are none that can be taken. */
  entries(runs: Buffer): boolean;
  /** What the writer's table is now; false when ours differs, and the whole must be asked for. */
  mark(mark: TableMark): boolean;
  /** Whoever waits for a mark looks again: another source may be heard by now. */
  lookAgain(): void;
  /** Nothing more is taken. */
  close(): void;
}

/** The table of one image as another store tells it. */
export class TableFollower implements TableTaker {
  readonly #store: ImageStore;
  readonly #source: string;
  /** Hears of each run before it is learnt. */
  readonly #told: ((run: VersionRun) => void) | undefined;
  #holders = new Map<number, number>();
  #ends: readonly EpochEnd[] = [];
  #isWhole = false;
  /** Up to this sequence the table was once seen to equal the writer's. */
  #equalUpTo: number | undefined;
  #change = Promise.withResolvers<void>();

  /** `source`: the node that is followed; `equalUpTo`: what is known of the own table, from another that was followed. */
  constructor(store: ImageStore, source: string, equalUpTo?: number, told?: (run: VersionRun) => void) {
    this.#store = store;
    this.#source = source;
    this.#equalUpTo = equalUpTo;
    this.#told = told;
    const { closing } = store.state;
    if (closing !== null && closing.digest === store.table.mark.digest) this.#equalUpTo = closing.lastSequence;
  }

  /** What to ask the writer for: the table after this sequence, or the whole. */
  get afterSequence(): number | undefined {
    return this.#equalUpTo;
  }

  /** How the epochs before the writer's ended, as it says. */
  get ends(): readonly EpochEnd[] {
    return this.#ends;
  }

  /** A new stream begins; false when it is not of this image. */
  begin(whole: boolean, blocks: number, ends: readonly EpochEnd[]): boolean {
    this.#holders = new Map();
    this.#isWhole = whole;
    this.#ends = ends;
    return blocks === this.#store.blocks;
  }

  /** False when it names more nodes than there can be. */
  holder(index: number, name: string): boolean {
    if (this.#holders.size >= HOLDERS_MAX || this.#store.holders.length >= HOLDERS_MAX) return false;
    this.#holders.set(index, name === '' ? 0 : this.#store.holderIndex(name));
    return true;
  }

  /** Learns entries; false when they are rubbish, of a closed epoch beyond its end (SOUNDNESS A7), or older than what was proven. */
  entries(runs: Buffer): boolean {
    if (!runsAreSound(runs, this.#store.blocks)) return false;
    const source = this.#store.holderIndex(this.#source);
    for (const run of readRuns(runs)) {
      if (isTail(run.high, run.low, this.#ends) || this.#isOlder(run)) return false;
      const holder = (run.flags & HERE) !== 0 ? source : (this.#holders.get(run.holder) ?? 0);
      this.#told?.(run);
      this.#store.table.learn(run, holder);
    }
    return true;
  }

  /** Of a layer that was proven here something older is another state of it: one before a merge. */
  #isOlder({ first, count, high, low }: VersionRun): boolean {
    const { state, table } = this.#store;
    if (state.role !== 'sealed') return false;
    const end = first + count;
    if (high === 0 && low === 0) return table.contentOf(first) !== 0 || table.endOfContent(first, end) < end;
    for (let block = first; block < end; block++) if (table.sequenceAt(block) > sequenceOf(high, low)) return true;
    return false;
  }

  /** What the writer's table is now; false when ours differs, and the whole must be asked for. */
  mark(mark: TableMark): boolean {
    const { table, state } = this.#store;
    const isOlder = state.role === 'sealed' && mark.lastSequence < table.lastSequence;
    if (!isOlder) table.lastSequence = mark.lastSequence;
    const own = this.#store.table.mark;
    const isEqual = !isOlder && own.digest === mark.digest && own.entries === mark.entries;
    this.#equalUpTo = isEqual ? mark.lastSequence : undefined;
    this.lookAgain();
    return isEqual;
  }

  /** Whether the stream that is read now told everything, so that a difference cannot be healed by asking for more. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Whether the table was seen to equal the writer's after its newest mark. */
  get isEqual(): boolean {
    return this.#equalUpTo !== undefined;
  }

  equals(closing: Closing): boolean {
    const own = this.#store.table.mark;
    return this.isEqual && sameTable(own, closing);
  }

  /** Whoever waits for a mark looks again: another source may be heard by now. */
  lookAgain(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  close(): void {
    this.lookAgain();
  }

  /** Settles at the next mark, or when this one is heard no more. */
  marked(): Promise<void> {
    return this.#change.promise;
  }
}

/** Whether a table is exactly the one of a closing: its numbers and its digest. */
export function sameTable(own: TableMark, closing: TableMark): boolean {
  return own.digest === closing.digest && own.entries === closing.entries && own.lastSequence === closing.lastSequence;
}
