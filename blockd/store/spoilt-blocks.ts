// What becomes of data that was found not to be what its version names. The disk's table says of it still that it is here,
// so a fault that passes loses nothing over a restart; but after a stop of any kind what differs in an active extent is
// taken for a write (SOUNDNESS A3). So the disk's table hears of rot before its extent is active, or as soon as it is found.
import type { Journal } from '../../common/journal/journal.ts';
import { DATA, RunWriter, readRuns } from '../table/version-run.ts';
import type { VersionTable } from '../table/version-table.ts';
import { type ActiveExtents, blocksOfExtent, extentOf } from './active-extents.ts';
import type { BlockFile } from './block-file.ts';
import type { StoreJournal } from './store-journal.ts';
import type { StoreRecord } from './store-record.ts';
import type { ZeroBlocks } from './zero-blocks.ts';

export interface SpoiltParts {
  readonly table: VersionTable;
  readonly active: ActiveExtents;
  readonly journal: StoreJournal;
  readonly zeros: Pick<ZeroBlocks, 'clearOthers' | 'isBusy' | 'punched'>;
  readonly file: Pick<BlockFile, 'sumsOf'>;
  /** A barrier, if there is anything for it. */
  readonly flush: () => Promise<void> | undefined;
}

/** The spoilt blocks of one layer at this store, since its start. */
export class SpoiltBlocks {
  readonly #parts: SpoiltParts;
  /** Extents with blocks that the disk's table may have otherwise. */
  readonly #extents = new Set<number>();
  /** Blocks that the disk could not read when it was asked last. */
  readonly #unreadable = new Set<number>();
  readonly #toTell = new Set<number>();
  #isTelling = false;

  constructor(parts: SpoiltParts) {
    this.#parts = parts;
  }

  /** A block was found so. */
  note(block: number): void {
    const extent = extentOf(block);
    this.#extents.add(extent);
    this.#toTell.add(extent);
    if (!this.#isTelling) void this.#tellAll();
  }

  /** Whether something in the extent may be missing only in memory. */
  isIn(extent: number): boolean {
    return this.#extents.has(extent);
  }

  /** What could not be read may be read again one day: it keeps its place. */
  isUnreadable(block: number): boolean {
    return this.#unreadable.has(block);
  }

  /**
   * Looks again at the extents that have spoilt blocks, and tells the disk's table what has rotted for good, in the
   * journal's turn; answers those entries. What is well again is here again. @throws Error of the disk
   */
  async settle(extents: Iterable<number>, journal: Pick<Journal<StoreRecord>, 'append'>): Promise<Buffer> {
    const due = [...extents].filter((extent) => this.#extents.delete(extent));
    try {
      const judged: Buffer[] = [];
      for (const extent of due) judged.push(await this.#judge(extent));
      const runs = Buffer.concat(judged);
      if (runs.length > 0) await journal.append({ runs });
      return runs;
    } catch (error) {
      for (const extent of due) this.#extents.add(extent);
      throw error;
    }
  }

  /** Before the whole table goes to the disk: what is missing in memory alone would be so for good. Never rejects. */
  async lookAgain(): Promise<void> {
    if (this.#extents.size > 0) await this.#settleNow(() => [...this.#extents]).catch(() => undefined);
  }

  /** Never rejects: of a store that has failed nothing more is told, and where there is no room the next finding tells. */
  async #tellAll(): Promise<void> {
    this.#isTelling = true;
    try {
      for (const extent of this.#toTell) {
        this.#toTell.delete(extent);
        await this.#tell(extent);
      }
    } catch {
      this.#toTell.clear();
    } finally {
      this.#isTelling = false;
    }
  }

  /** Of an extent that is idle nothing need be told yet. */
  async #tell(extent: number): Promise<void> {
    const { active, flush } = this.#parts;
    if (active.isActive(extent)) await flush();
    await this.#settleNow(() => (active.isActive(extent) ? [extent] : []));
  }

  async #settleNow(extents: () => readonly number[]): Promise<void> {
    const { journal, zeros } = this.#parts;
    let runs: Buffer = Buffer.alloc(0);
    await journal.inTurn(async (turn) => {
      runs = await this.settle(extents(), turn);
    });
    // Whatever differs from zeros there would be taken for a write now.
    for (const { first, count } of readRuns(runs)) await zeros.clearOthers(first, first + count);
  }

  /** The entries of blocks that have rotted. What the disk's table has otherwise for another reason is left to its barrier. */
  async #judge(extent: number): Promise<Buffer> {
    const { table, file, zeros } = this.#parts;
    const [first, end] = blocksOfExtent(extent, table.blocks);
    // What is there may be gone in a moment: what is being given back is not judged by what was read before.
    while (zeros.isBusy(first, end)) await zeros.punched;
    const sums = await file.sumsOf(first, end);
    const rotten = new RunWriter();
    for (let block = first; block < end; block++) {
      this.#unreadable.delete(block);
      if (table.contentOf(block) !== DATA || table.isChanged(block) || zeros.isBusy(block, block + 1)) continue;
      const sum = sums[block - first];
      if (sum === table.sumOf(block)) table.arrived(block);
      else if (sum !== undefined) addTo(rotten, table, block);
      else this.#keep(block, extent);
    }
    return rotten.finish();
  }

  #keep(block: number, extent: number): void {
    this.#unreadable.add(block);
    this.#extents.add(extent);
  }
}

function addTo(writer: RunWriter, table: VersionTable, block: number): void {
  const { high, low } = table.versionOf(block);
  writer.add(block, 1, high, low, DATA, table.holderOf(block), table.sumOf(block));
}
