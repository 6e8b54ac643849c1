// Another store's table of a layer of which this one was a whole copy: as `TableFollower`, but no block is named
// before its content is here, for what was flushed is counted here until what replaces it is as safe (SOUNDNESS A13).
import { messageOf } from '../../common/errors.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import { sameTable, type TableTaker } from '../peer/table-follower.ts';
import type { EpochEnd } from '../table/block-version.ts';
import type { TableMark } from '../table/version-table.ts';
import { CopyFilling, type CopyFillingParts } from './copy-filling.ts';
import { mayKeep } from './copy-keeper.ts';
import { KeptTable } from './kept-table.ts';
import { noteWhole } from './whole-copy.ts';

export interface KeptFollowerParts
  extends Pick<CopyFillingParts, 'layer' | 'source' | 'layers' | 'dial' | 'clock' | 'log'> {
  /** Up to this sequence the own table is known to be that of the image. */
  readonly equalUpTo: number | undefined;
  /** Of a layer that never changes: no other state of it is taken. */
  readonly proof?: SealedLayer;
  /** The stream that is read now is of no use any more. */
  failed(reason: string): void;
}

/** What is taken of one stream. */
interface Taking {
  readonly table: KeptTable;
  readonly filling: CopyFilling;
  readonly end: AbortController;
}

/** The table of one image as another store tells it, and the contents with it. */
export class KeptFollower implements TableTaker {
  readonly #parts: KeptFollowerParts;
  #taking: Taking | undefined;
  #isWhole = false;
  #isEqual = false;
  #equalUpTo: number | undefined;
  #isWorking = false;
  #hasMore = false;
  #change = Promise.withResolvers<void>();

  constructor(parts: KeptFollowerParts) {
    this.#parts = parts;
    const { table, state } = parts.layer.store;
    const isClosed = state.closing !== null && sameTable(table.mark, state.closing);
    this.#equalUpTo = parts.equalUpTo ?? (isClosed ? state.closing?.lastSequence : (state.copiedUpTo ?? undefined));
  }

  get afterSequence(): number | undefined {
    return this.#equalUpTo;
  }

  get ends(): readonly EpochEnd[] {
    return this.#taking?.table.ends ?? [];
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Whether the table was seen to equal the writer's on this stream, all that was here before with its contents. */
  get isEqual(): boolean {
    return this.#isEqual;
  }

  equals(closing: Closing): boolean {
    return this.#taking?.table.isNamed === true && sameTable(this.#parts.layer.store.table.mark, closing);
  }

  marked(): Promise<void> {
    return this.#change.promise;
  }

  begin(whole: boolean, blocks: number, ends: readonly EpochEnd[]): boolean {
    this.#leave();
    const { layer, source } = this.#parts;
    const end = new AbortController();
    const table = new KeptTable(layer.store, source);
    const filling = new CopyFilling({
      ...{ ...this.#parts, table, signal: end.signal, merged: this.#parts.proof?.merged },
      came: () => this.#poke(),
      failed: (error) => this.#fail(end.signal, messageOf(error)),
    });
    this.#isWhole = whole;
    this.#taking = { table, filling, end };
    return table.begin(blocks, ends) === '';
  }

  holder(index: number, name: string): boolean {
    return this.#taking?.table.holder(index, name) === '';
  }

  entries(runs: Buffer): boolean {
    return this.#taking?.table.entries(runs) === '';
  }

  /** False when it is another than the proven one; whether ours differs is seen once the contents have come. */
  mark(mark: TableMark): boolean {
    const { proof } = this.#parts;
    if (proof !== undefined && !sameTable(mark, proof)) return false;
    this.#taking?.table.marked(mark);
    this.#poke();
    return true;
  }

  lookAgain(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  /** Nothing more is taken. */
  close(): void {
    this.#leave();
    this.lookAgain();
  }

  #leave(): void {
    this.#taking?.end.abort();
    this.#taking?.filling.close();
    this.#taking = undefined;
    this.#isEqual = false;
  }

  /** One round of work at a time; what comes meanwhile makes another. */
  #poke(): void {
    this.#hasMore = true;
    if (this.#isWorking) return;
    this.#isWorking = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    while (this.#hasMore && this.#taking !== undefined) {
      this.#hasMore = false;
      const taking = this.#taking;
      try {
        await this.#round(taking);
      } catch (error) {
        this.#fail(taking.end.signal, messageOf(error));
      }
      this.lookAgain();
    }
    this.#isWorking = false;
  }

  async #round({ table, filling, end: { signal } }: Taking): Promise<void> {
    const { store } = this.#parts.layer;
    await noteWhole(store);
    await table.apply(() => !signal.aborted && (mayKeep(store.state.role) || store.state.role === 'standby'));
    if (signal.aborted || table.mark === undefined) return;
    if (table.state === 'differs') return this.#differ(signal);
    if (table.state === 'lacking') filling.fill();
    if (!table.isNamed) return;
    const { lastSequence } = table.mark;
    // As a copy it may count from higher on: whoever kept it took numbers up to what the writer had taken then.
    store.table.lastSequence = lastSequence;
    await store.flush();
    if (signal.aborted) return;
    this.#equalUpTo = lastSequence;
    this.#isEqual = true;
  }

  /** The whole is to be told the next time. */
  async #differ(signal: AbortSignal): Promise<void> {
    this.#equalUpTo = undefined;
    await this.#parts.layer.store.commit({ state: { copiedUpTo: null } });
    this.#fail(signal, `the tables differ after the ${this.#isWhole ? 'whole table' : 'newest changes'}`);
  }

  #fail(signal: AbortSignal, reason: string): void {
    if (signal.aborted) return;
    this.#leave();
    this.#parts.failed(reason);
  }
}
