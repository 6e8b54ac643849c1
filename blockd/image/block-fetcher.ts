// Brings blocks whose newest content is elsewhere: asks their holder, follows its hints, then asks every member. Gives
// up only when all have answered that they have no good copy; who cannot be reached is waited for (SOUNDNESS A12).
import { OperationError } from '../../common/errors.ts';
import type { ImageStore } from '../store/image-store.ts';
import { checksumOf } from '../table/block-checksum.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { DATA } from '../table/version-run.ts';
import type { MissingRun } from '../table/version-table.ts';

/** Why blocks are fetched: they are counted apart and wait in lanes of their own. */
export type FetchCause = 'demand' | 'background';

/** Blocks asked for with one version. */
export type WantedRun = Omit<MissingRun, 'holder'>;

/** Takes the answers to one request: each block is answered once, in any order. */
export interface FetchSink {
  /** `data` is the blocks' content and valid only during the call. */
  arrived(run: WantedRun, data: Uint8Array): void;
  /** The node has not got it; `hint` names who might, or is empty. */
  absent(run: WantedRun, hint: string): void;
}

/** The way to other nodes' stores; waits, and asks again, while a node cannot be reached. */
export interface BlockSource {
  request(node: string, layer: string, runs: readonly WantedRun[], cause: FetchCause, sink: FetchSink): void;
}

export interface FetcherParts {
  readonly store: ImageStore;
  readonly source: BlockSource;
  /** This node's name. */
  readonly node: string;
  /** The other members' names: whoever may have a copy. */
  readonly members: () => readonly string[];
}

/** One answer's worth (256 KiB): larger runs are asked for in pieces so that the first bytes come early. */
export const RUN_BLOCKS_MAX = 64;

interface Absent {
  readonly run: WantedRun;
  readonly hint: string;
}

/** The fetches of one layer; a block is asked for once however many wait for it. */
export class BlockFetcher {
  readonly #parts: FetcherParts;
  readonly #pending = new Map<number, Promise<void>>();
  readonly fetchedBlocks = { demand: 0, background: 0 };

  constructor(parts: FetcherParts) {
    this.#parts = parts;
  }

  /**
   * Answers when the missing blocks among the given ones have come or were written meanwhile.
   * @throws OperationError BLOCKS_LOST, or the disk's error
   */
  async fetch(first: number, end: number, cause: FetchCause): Promise<void> {
    const { zeros } = this.#parts.store;
    while (zeros.isBusy(first, end)) await zeros.punched;
    const waits = new Set<Promise<void>>();
    const wanted = new Map<number, MissingRun[]>();
    for (let block = first; block < end; ) {
      const pending = this.#pending.get(block);
      if (pending !== undefined) waits.add(pending);
      const run = pending === undefined ? this.#nextUnasked(block, end) : undefined;
      if (run !== undefined) wanted.set(run.holder, [...(wanted.get(run.holder) ?? []), run]);
      block = run === undefined ? block + 1 : run.first + run.count;
    }
    for (const [holder, runs] of wanted) waits.add(this.#start(holder, runs, cause));
    await Promise.all(waits);
  }

  /** The missing run that begins exactly at the block, without blocks that were asked for already. */
  #nextUnasked(block: number, end: number): MissingRun | undefined {
    const run = this.#parts.store.table.nextMissing(block, block + 1, 1);
    if (run === undefined) return undefined;
    const whole = this.#parts.store.table.nextMissing(block, end, RUN_BLOCKS_MAX) ?? run;
    let count = 1;
    while (count < whole.count && !this.#pending.has(block + count)) count++;
    return { ...whole, count };
  }

  #start(holder: number, runs: readonly MissingRun[], cause: FetchCause): Promise<void> {
    const { store, node } = this.#parts;
    const holderName = store.holderName(holder);
    const asked = new Set([node]);
    const fetched = (
      holderName === '' || holderName === node
        ? Promise.all(runs.map((run) => this.#askNext({ run, hint: '' }, asked, cause)))
        : this.#ask(holderName, runs, asked, cause)
    ).then(() => undefined);
    const blocks = runs.flatMap((run) => Array.from({ length: run.count }, (_, index) => run.first + index));
    for (const block of blocks) this.#pending.set(block, fetched);
    const forget = (): void => {
      for (const block of blocks) this.#pending.delete(block);
    };
    fetched.then(forget, forget);
    return fetched;
  }

  /** Asks one node, then others for what it has not got. */
  async #ask(node: string, runs: readonly WantedRun[], asked: ReadonlySet<string>, cause: FetchCause): Promise<void> {
    const absent = await this.#request(node, runs, cause);
    const nowAsked = new Set([...asked, node]);
    await Promise.all(absent.map((one) => this.#askNext(one, nowAsked, cause)));
  }

  #request(node: string, runs: readonly WantedRun[], cause: FetchCause): Promise<Absent[]> {
    return new Promise((resolve, reject) => {
      const absent: Absent[] = [];
      let open = runs.reduce((sum, run) => sum + run.count, 0);
      const answered = (count: number): void => {
        open -= count;
        if (open === 0) resolve(absent);
      };
      this.#parts.source.request(node, this.#parts.store.layer, runs, cause, {
        arrived: (run, data) => {
          try {
            for (const bad of this.#install(run, data, cause)) absent.push({ run: bad, hint: '' });
            answered(run.count);
          } catch (error) {
            reject(error);
          }
        },
        absent: (run, hint) => {
          absent.push({ run, hint });
          answered(run.count);
        },
      });
    });
  }

  async #askNext({ run, hint }: Absent, asked: ReadonlySet<string>, cause: FetchCause): Promise<void> {
    if (!this.#isStillWanted(run)) return;
    const next = [hint, ...this.#parts.members()].find((node) => node !== '' && !asked.has(node));
    if (next === undefined) throw lost(this.#parts.store.image, run, asked);
    await this.#ask(next, [run], asked, cause);
  }

  /**
   * Writes what came, in one synchronous step, which is the blocks' lock: only where the version is the table's own
   * still and no local write has begun since (SOUNDNESS A6), and where the table on the disk says so too. Where room is
   * being given back, nothing is written: the hole would come over it. Answers the blocks whose content was not what
   * their version names: that copy is no good one (promise S5).
   */
  #install(run: WantedRun, data: Uint8Array, cause: FetchCause): WantedRun[] {
    const bad: WantedRun[] = [];
    const sound = (index: number): boolean => {
      const block = run.first + index;
      if (!this.#isWanted(run, block)) return false;
      if (checksumOf(blocksOf(data, index, index + 1)) === this.#parts.store.table.sumOf(block)) return true;
      bad.push({ ...run, first: block, count: 1 });
      return false;
    };
    for (let index = 0; index < run.count; ) {
      let until = index;
      while (until < run.count && sound(until)) until++;
      if (until > index) this.#write(run.first + index, blocksOf(data, index, until), cause);
      index = until + 1;
    }
    return bad;
  }

  #write(first: number, data: Uint8Array, cause: FetchCause): void {
    const { store } = this.#parts;
    store.file.install(data, first * BLOCK_BYTES);
    const count = data.length / BLOCK_BYTES;
    for (let block = first; block < first + count; block++) store.table.arrived(block);
    this.fetchedBlocks[cause] += count;
  }

  #isWanted(run: WantedRun, block: number): boolean {
    const { table, zeros } = this.#parts.store;
    if (table.isChanged(block) || zeros.isBusy(block, block + 1)) return false;
    return table.equals(block, run.high, run.low) && table.contentOf(block) === DATA;
  }

  #isStillWanted(run: WantedRun): boolean {
    for (let block = run.first; block < run.first + run.count; block++) if (this.#isWanted(run, block)) return true;
    return false;
  }
}

function blocksOf(data: Uint8Array, first: number, end: number): Uint8Array {
  return data.subarray(first * BLOCK_BYTES, end * BLOCK_BYTES);
}

function lost(image: string, run: WantedRun, asked: ReadonlySet<string>): OperationError {
  const blocks = `blocks ${run.first} to ${run.first + run.count - 1} of image ${image}`;
  return new OperationError('BLOCKS_LOST', `no node has a good copy of ${blocks}; asked: ${[...asked].join(', ')}`, {
    remedy: 'Bring back a node that had the image, or recover it from a recovery point.',
  });
}
