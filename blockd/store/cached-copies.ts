// Lets go of copies that another store keeps too: the table says so durably, then the room is given back. While that is
// under way nobody is told that they stay here, so that two stores never let go in each other's favour (SOUNDNESS A11), but
// those whose names come first: for them what they ask about stays here after all, or neither would ever let go.
// Who is asked, and what is let go of, is decided elsewhere.
import { BLOCK_BYTES } from '../table/block-version.ts';
import type { BlockRun } from '../table/run-search.ts';
import { DATA, HERE } from '../table/version-run.ts';
import type { VersionTable } from '../table/version-table.ts';
import type { BlockRange, ZeroBlocks } from './zero-blocks.ts';

/** Blocks with one version. */
type Copies = Omit<BlockRun, 'holder'>;

/** What letting go changes of a layer. */
export interface CopiesOf {
  readonly table: VersionTable;
  readonly zeros: ZeroBlocks;
  holderIndex(node: string): number;
  flush(): Promise<void> | undefined;
}

/** What may be let go of at this moment. */
interface Leaving extends BlockRange {
  /** This node's name. */
  readonly node: string;
  /** Blocks that were promised to another store meanwhile. */
  readonly staying: Set<number>;
}

/** The copies of one layer. */
export class CachedCopies {
  readonly #store: CopiesOf;
  #leaving: Leaving | undefined;
  #evictedBlocks = 0;

  constructor(store: CopiesOf) {
    this.#store = store;
  }

  /** Blocks that were let go of since the start. */
  get evictedBlocks(): number {
    return this.#evictedBlocks;
  }

  /**
   * Whether the store of this name may rely on this one for the version: it is here, durably, and not about to go; or it is,
   * and the other's name comes first: then it stays.
   */
  promises(block: number, high: number, low: number, asker: string): boolean {
    const { table } = this.#store;
    if (!this.#isHere(block, high, low) || table.isChanged(block)) return false;
    if (this.#leaving === undefined || !this.#isLeaving(block)) return true;
    if (asker >= this.#leaving.node) return false;
    this.#leaving.staying.add(block);
    return true;
  }

  /** Blocks of the range may be let go of by this node during the work; one range at a time. */
  async leaving<T>({ first, end }: BlockRange, node: string, work: () => Promise<T>): Promise<T> {
    if (this.#leaving !== undefined) throw new Error('blocks of this layer are leaving already');
    this.#leaving = { first, end, node, staying: new Set() };
    try {
      return await work();
    } finally {
      this.#leaving = undefined;
    }
  }

  /**
   * Lets go of what a node has just said it keeps, as far as it is leaving and here in that version; answers how
   * many bytes. Room that cannot be given back now is given back by `reclaim`.
   * @throws OperationError ENOSPC, and then everything stays; STORE_FAILED
   */
  async letGo(runs: readonly Copies[], node: string): Promise<number> {
    const { zeros } = this.#store;
    const gone = this.#leave(runs, this.#store.holderIndex(node));
    try {
      await this.#store.flush();
    } catch (error) {
      this.#takeBack(gone);
      throw error;
    }
    for (const { first, count } of gone) await zeros.clearOthers(first, first + count).catch(() => undefined);
    const blocks = gone.reduce((sum, { count }) => sum + count, 0);
    this.#evictedBlocks += blocks;
    return blocks * BLOCK_BYTES;
  }

  /** Gives back the room of what is not here among the blocks: a crash, or a newer version, may have left data there. */
  async reclaim(first: number, end: number): Promise<void> {
    await this.#store.zeros.clearOthers(first, end);
  }

  #isLeaving(block: number): boolean {
    if (this.#leaving === undefined) return false;
    const { first, end, staying } = this.#leaving;
    return first <= block && block < end && !staying.has(block);
  }

  #isHere(block: number, high: number, low: number): boolean {
    const { table } = this.#store;
    return table.equals(block, high, low) && table.contentOf(block) === (DATA | HERE);
  }

  #leave(runs: readonly Copies[], holder: number): Copies[] {
    const { table } = this.#store;
    const gone: Copies[] = [];
    for (const run of runs) {
      for (let block = run.first; block < run.first + run.count; block++) {
        if (!this.#isHere(block, run.high, run.low) || !this.#isLeaving(block)) continue;
        table.leave(block, holder);
        const last = gone.at(-1);
        if (last !== undefined && last.first + last.count === block && last.high === run.high && last.low === run.low)
          gone[gone.length - 1] = { ...last, count: last.count + 1 };
        else gone.push({ ...run, first: block, count: 1 });
      }
    }
    return gone;
  }

  /** Nothing was cleared: what is in the file is what the versions name. */
  #takeBack(gone: readonly Copies[]): void {
    const { table } = this.#store;
    for (const { first, count, high, low } of gone) {
      for (let block = first; block < first + count; block++) if (table.equals(block, high, low)) table.arrived(block);
    }
  }
}
