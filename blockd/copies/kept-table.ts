// A writer's table as a copy takes it over: a block changes here with its content in hand, so that what was durable here
// stays readable until what replaces it is (SOUNDNESS A13). A state machine; it asks nobody for anything.
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { ImageStore } from '../store/image-store.ts';
import { checksumOf } from '../table/block-checksum.ts';
import { BLOCK_BYTES, type EpochEnd, isTail } from '../table/block-version.ts';
import { DATA, HERE, readRuns, runsAreSound, type VersionRun } from '../table/version-run.ts';
import type { TableMark } from '../table/version-table.ts';
import { isNamedWith, type PendingBlock, wantedRuns } from './pending-block.ts';
import { isPutBack } from './put-back.ts';
import { ToldBatch } from './told-batch.ts';
import { wasWhole } from './whole-copy.ts';

/** Blocks that wait for their contents: 4 GiB, some 100 MB of memory. */
const PENDING_MAX = 2 ** 20;
/** With so many waiting a copy that was never whole is being filled: what was never written here is named before it comes. */
const NAMED_BEYOND = 2 ** 16;
/** So many names are looked at for one block that the writer denied: a million are some 100 ms of work. */
const LOOKED_AT_PER_DENIED = 64;
/** As `TableFollower`. */
const HOLDERS_MAX = 16_384;

/** A block's version and content. */
interface Content {
  readonly high: number;
  readonly low: number;
  readonly sum: number;
  readonly data: Uint8Array;
}

/** What is applied in one step, and the mark that it leads to; contents that were asked for lead to none. */
interface Step {
  readonly batch: ToldBatch;
  readonly mark: TableMark | undefined;
}

/** The table of one layer on its way from its writer. */
export class KeptTable {
  readonly #store: ImageStore;
  readonly #source: number;
  readonly #epoch: number | undefined;
  readonly #pending = new Map<number, PendingBlock>();
  readonly #places = new Set<string>();
  #holders = new Map<number, number>();
  #ends: readonly EpochEnd[] = [];
  /** Contents of the barrier whose entries come next. */
  #contents = new Map<number, Content>();
  #open = new ToldBatch();
  readonly #steps: Step[] = [];
  #mark: TableMark | undefined;
  /** Barriers that were told, and of which the table has everything that came with them. */
  #told = 0;
  #applied = 0;
  /** The table has something of this barrier before its step. */
  #aheadOf = 0;
  /** Some entries of a barrier were told, and not its mark. */
  #isHalfTold = false;
  #isNewer = false;
  /** Blocks that the writer denied since the names were looked at. */
  #denied = 0;

  /** `source`: the writer's name. `epoch`: under which it writes, where that is known. */
  constructor(store: ImageStore, source: string, epoch?: number) {
    this.#store = store;
    this.#source = store.holderIndex(source);
    this.#epoch = epoch;
  }

  get ends(): readonly EpochEnd[] {
    return this.#ends;
  }

  /** The mark of the newest barrier that was applied. */
  get mark(): TableMark | undefined {
    return this.#mark;
  }

  /** Whether something here was seen to be newer than what was told: the writer's store was put back. */
  get isNewer(): boolean {
    return this.#isNewer;
  }

  /** Whether `apply` has something to do. */
  get hasSteps(): boolean {
    return this.#steps.length > 0;
  }

  begin(blocks: number, ends: readonly EpochEnd[]): string {
    this.#ends = ends;
    return blocks === this.#store.blocks ? '' : 'its image has another size';
  }

  holder(index: number, name: string): string {
    if (this.#holders.size >= HOLDERS_MAX || this.#store.holders.length >= HOLDERS_MAX)
      return 'it names too many nodes';
    this.#holders.set(index, name === '' ? 0 : this.#store.holderIndex(name));
    return '';
  }

  /** Contents that the next entries name. */
  content({ first, high, low, count }: WantedRun, data: Uint8Array): void {
    for (let index = 0; index < count; index++) {
      const one = data.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
      this.#contents.set(first + index, { high, low, sum: checksumOf(one), data: one });
    }
  }

  /** Answers what is wrong with the entries, or nothing. */
  entries(runs: Buffer): string {
    if (!runsAreSound(runs, this.#store.blocks)) return 'it sent entries that cannot be';
    this.#isHalfTold = true;
    for (const run of readRuns(runs)) {
      if (isTail(run.high, run.low, this.#ends))
        return 'it tells versions beyond the end of their epoch (SOUNDNESS A7)';
      if (this.#epoch !== undefined && isPutBack(this.#store, this.#epoch, run)) {
        this.#isNewer = true;
        return 'it has an older version of what it wrote under the same epoch: its store was put back (SOUNDNESS D2)';
      }
      if (run.high === 0 && run.low === 0) this.#never(run);
      else if ((run.flags & DATA) === 0) this.#zeros(run);
      else this.#data(run);
    }
    return '';
  }

  /** The entries so far are one barrier's. */
  marked(mark: TableMark): void {
    this.#contents.clear();
    this.#isHalfTold = false;
    this.#told++;
    this.#steps.push({ batch: this.#open, mark });
    this.#open = new ToldBatch();
  }

  /** Contents that were asked for have come. */
  arrived({ first, count, high, low }: WantedRun, data: Uint8Array): void {
    const batch = new ToldBatch();
    for (let index = 0; index < count; index++) {
      const pending = this.#pending.get(first + index);
      if (pending === undefined || pending.high !== high || pending.low !== low) continue;
      const one = data.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
      if (checksumOf(one) !== pending.sum) {
        this.#denied++;
        continue;
      }
      this.#pending.delete(first + index);
      this.#aheadOf = Math.max(this.#aheadOf, pending.barrier);
      batch.addBlock(first + index, { ...pending, data: Uint8Array.from(one) });
    }
    this.#steps.push({ batch, mark: undefined });
  }

  /**
   * The writer has them not, and says who may: they are fetched as any other block is. What is counted on here keeps its
   * content until theirs comes.
   */
  elsewhere({ first, count, high, low }: WantedRun, node: string): void {
    for (let block = first; block < first + count; block++) {
      const pending = this.#pending.get(block);
      if (pending === undefined || pending.high !== high || pending.low !== low) continue;
      // What was told before and is yet to be applied would hide its name; it is asked for again.
      if (this.#isUnderWay(block)) continue;
      if (wasWhole(this.#store) && this.#hasContent(block)) {
        this.#places.add(node);
        this.#pending.set(block, { ...pending, place: node });
        continue;
      }
      this.#pending.delete(block);
      this.#learn(block, { ...pending, holder: this.#store.holderIndex(node) });
    }
  }

  /** Whoever was to have them has not, or says nothing: the writer is asked again. */
  nowhere({ first, count }: WantedRun): void {
    for (let block = first; block < first + count; block++) {
      const pending = this.#pending.get(block);
      if (pending?.place !== undefined) this.#pending.set(block, { ...pending, place: undefined });
    }
  }

  /** The writer has no such version: it has overwritten it and will tell, or what was heard of it is wrong. */
  denied({ count }: WantedRun): void {
    this.#denied += count;
  }

  /** Who else than the writer is to be asked for something. */
  get places(): ReadonlySet<string> {
    return this.#places;
  }

  /** What to ask the place for, or the writer: runs of at most so many blocks in all, of which `isAsked` names none. */
  wanted(blocksMax: number, isAsked: (block: number) => boolean, place?: string): WantedRun[] {
    return wantedRuns(this.#pending, blocksMax, isAsked, place);
  }

  /** Everything that has been told by now. @throws OperationError ENOSPC, STORE_FAILED; Error of the disk */
  async apply(mayWrite: () => boolean): Promise<void> {
    const { table } = this.#store;
    for (let left = this.#steps.length; left > 0; left--) {
      const step = this.#steps[0];
      // A layer that never changes again is written no more, and is told nothing but that it is all that it is to be.
      if (step === undefined || (!step.batch.isEmpty && !mayWrite())) return;
      await step.batch.apply(this.#store, mayWrite);
      // What was given up meanwhile is applied in part, or not at all: its mark says nothing of this table.
      if (!step.batch.isEmpty && !mayWrite()) return;
      this.#steps.shift();
      if (step.mark === undefined) continue;
      this.#applied++;
      this.#mark = step.mark;
      table.lastSequence = Math.max(table.lastSequence, step.mark.lastSequence);
    }
  }

  /** `whole`: the table is the writer's at the newest mark, and all of it is here. `differs`: it must be told again. */
  get state(): 'whole' | 'lacking' | 'differs' {
    // A wrong name that nobody has would be looked for without end.
    if (this.#isMisheard) return 'differs';
    if (this.#mark === undefined || this.#isBehind) return 'lacking';
    if (!this.isNamed) return 'differs';
    return this.#store.table.hasMissing ? 'lacking' : 'whole';
  }

  /** The table is the writer's at the newest mark; of what is missing nothing was here before. */
  get isNamed(): boolean {
    if (this.#mark === undefined || this.#isBehind) return false;
    const own = this.#store.table.mark;
    return own.digest === this.#mark.digest && own.entries === this.#mark.entries;
  }

  /** Of what is pending the writer denied some, and it has no such table. Looked at when nothing told is yet to be applied. */
  get #isMisheard(): boolean {
    const isDue = this.#denied > 0 && this.#denied * LOOKED_AT_PER_DENIED >= this.#pending.size;
    if (!isDue || this.#mark === undefined || this.#steps.length > 0 || this.#isHalfTold) return false;
    this.#denied = 0;
    return !isNamedWith(this.#store.table, this.#pending, this.#mark);
  }

  get #isBehind(): boolean {
    // What was asked for and has come during a round of work is in no table yet.
    const isComing = this.#steps.some(({ mark }) => mark === undefined);
    return isComing || this.#pending.size > 0 || this.#aheadOf > this.#applied;
  }

  /** Blocks that the writer says were never written. */
  #never(run: VersionRun): void {
    this.#aheadOf = this.#told + 1;
    this.#store.table.learn(run, 0);
  }

  #zeros(run: VersionRun): void {
    for (const block of this.#pending.keys()) {
      if (block >= run.first && block < run.first + run.count) this.#pending.delete(block);
    }
    this.#open.addZeros(run);
  }

  #data(run: VersionRun): void {
    const { high, low } = run;
    const holder = (run.flags & HERE) !== 0 ? this.#source : (this.#holders.get(run.holder) ?? 0);
    for (let index = 0; index < run.count; index++) {
      const block = run.first + index;
      const sum = run.sumAt(index);
      const content = this.#contents.get(block);
      const isGiven = content?.high === high && content.low === low && content.sum === sum;
      if (isGiven) this.#give(block, content);
      else if (!this.#has(block, high, low, sum))
        this.#lack(block, { high, low, sum, holder, barrier: this.#told + 1 });
    }
  }

  #give(block: number, content: Content): void {
    this.#pending.delete(block);
    this.#open.addBlock(block, content);
  }

  /** Whether the newest that was told of the block before is the same. */
  #has(block: number, high: number, low: number, sum: number): boolean {
    if (this.#pending.has(block) || this.#isUnderWay(block)) return false;
    const { table } = this.#store;
    return table.equals(block, high, low) && (table.contentOf(block) & DATA) !== 0 && table.sumOf(block) === sum;
  }

  #lack(block: number, told: PendingBlock): void {
    const isKnown = this.#pending.has(block) || this.#isUnderWay(block);
    const isFull = !isKnown && this.#pending.size >= PENDING_MAX;
    if (isKnown || (!isFull && this.#hasContent(block))) this.#pending.set(block, told);
    // What is counted on stays; the table differs then, and is told again when some of what waits has come.
    else if (!isFull || !wasWhole(this.#store) || !this.#hasContent(block)) this.#learn(block, told);
  }

  /** Whether the block reads as something here: a top that says nothing of it shows what is below, or zeros. */
  #hasContent(block: number): boolean {
    const { table, state } = this.#store;
    const content = table.contentOf(block);
    if (content !== 0 || state.below.length > 0) return content !== DATA;
    return this.#pending.size < NAMED_BEYOND || wasWhole(this.#store);
  }

  #learn(block: number, { high, low, sum, holder, barrier }: PendingBlock): void {
    this.#aheadOf = Math.max(this.#aheadOf, barrier);
    this.#store.table.learn({ first: block, count: 1, high, low, flags: DATA, holder: 0, sumAt: () => sum }, holder);
  }

  #isUnderWay(block: number): boolean {
    return this.#open.has(block) || this.#steps.some(({ batch }) => batch.has(block));
  }
}
