// Brings blocks whose newest content is elsewhere: asks their holder, follows its hints, then asks every member; who is
// silent for long is not the only one asked any more, and until it answers never the only one. Gives up only when all have
// answered that they have no good copy; who cannot be reached is waited for (SOUNDNESS A12).
import type { Clock } from '../../common/clock.ts';
import { codeOf, OperationError } from '../../common/errors.ts';
import type { ImageStore } from '../store/image-store.ts';
import { checksumAt } from '../table/block-checksum.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import type { BlockRun } from '../table/run-search.ts';
import { DATA } from '../table/version-run.ts';
import { AskedBlocks } from './asked-blocks.ts';
import { SilentNodes } from './silent-nodes.ts';

/** Why blocks are fetched: they are counted apart and wait in lanes of their own. */
export type FetchCause = 'demand' | 'background' | 'pushed';

/** Blocks asked for with one version. */
export type WantedRun = Omit<BlockRun, 'holder'>;

/** Takes the answers to one request: each block is answered once, in any order. */
export interface FetchSink {
  /** `data` is the blocks' content and valid only during the call. */
  arrived(run: WantedRun, data: Uint8Array): void;
  /** The node has not got it; `hint` names who might, or is empty. */
  absent(run: WantedRun, hint: string): void;
}

/** The way to other nodes' stores; waits, and asks again, while a node cannot be reached. */
export interface BlockSource {
  /** The answered function ends the request: nothing more of it is asked or answered. */
  request(node: string, layer: string, runs: readonly WantedRun[], cause: FetchCause, sink: FetchSink): () => void;
}

export interface FetcherParts {
  readonly store: ImageStore;
  readonly clock: Clock;
  readonly source: BlockSource;
  /** This node's name. */
  readonly node: string;
  /** The other members' names: whoever may have a copy. */
  readonly members: () => readonly string[];
  /** What is known of them by all fetches of this node; absent: by those of this layer. */
  readonly silent?: SilentNodes;
}

/**
 * How long one node is waited for before another is asked beside it: beyond the slowest supported link's round trip and
 * what may be queued there; what nobody waits for has time.
 */
export const PATIENCE_MS: Readonly<Record<FetchCause, number>> = {
  ...{ demand: 3_000, background: 20_000, pushed: 20_000 },
};

/** How long a background look takes until every member has been asked and had its time, were all the others silent. */
export function patienceWithAll(members: readonly string[]): number {
  return PATIENCE_MS.background * (members.length + 1);
}

/** One answer's worth (256 KiB): larger runs are asked for in pieces so that the first bytes come early. */
export const RUN_BLOCKS_MAX = 64;

/** Why something is fetched, and until when: the signal ends it. */
type Errand = { readonly cause: FetchCause; readonly giveUp: AbortSignal | undefined };

/** How often each node was asked for a block. */
type Asked = ReadonlyMap<string, number>;
/** Copies move: who had none may be named afterwards by the one that has let its copy go. No oftener, so it ends. */
const TIMES_MAX = 2;

interface Absent {
  readonly run: WantedRun;
  readonly hint: string;
}

/** One node's answer: what it has not got, once it has said of every block; and the end of waiting for it. */
interface Request {
  readonly absent: Promise<Absent[]>;
  /** Nothing that comes is taken any more. */
  leave(): void;
  end(): void;
}

/** The fetches of one layer; a block is asked for once however many wait for it, and once more when a client does. */
export class BlockFetcher {
  readonly #parts: FetcherParts;
  readonly #asked = new AskedBlocks();
  readonly #silent: SilentNodes;
  readonly fetchedBlocks = { demand: 0, background: 0, pushed: 0 };

  constructor(parts: FetcherParts) {
    this.#parts = parts;
    this.#silent = parts.silent ?? new SilentNodes(parts.clock);
  }

  /** Asked for and not here yet. */
  get queuedBlocks(): number {
    return this.#asked.size;
  }

  /** Whether any of the blocks is. */
  isAsked(first: number, end: number): boolean {
    return this.#asked.hasAny(first, end);
  }

  /**
   * Answers when the missing blocks among the given ones have come or were written meanwhile.
   * @throws OperationError BLOCKS_LOST, FETCH_GIVEN_UP by the signal of whoever asked for a block first, or the disk's error
   */
  async fetch(first: number, end: number, cause: FetchCause, giveUp?: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    const errand = { cause, giveUp };
    while (store.zeros.isBusy(first, end)) await store.zeros.punched;
    if (this.#someUntold(first, end)) await store.flush();
    const waits = new Set<Promise<void>>();
    const wanted = new Map<number, BlockRun[]>();
    for (let block = first; block < end; ) {
      const asked = this.#asked.waitFor(block, cause);
      if (asked !== undefined) waits.add(asked);
      const run = asked === undefined ? this.#nextUnasked(block, end, cause) : undefined;
      if (run !== undefined) wanted.set(run.holder, [...(wanted.get(run.holder) ?? []), run]);
      block = run === undefined ? block + 1 : run.first + run.count;
    }
    for (const [holder, runs] of wanted) waits.add(this.#start(holder, runs, errand));
    await Promise.all(waits);
  }

  /**
   * Whether a missing block stands otherwise in the table on the disk: it came, and was found spoilt before the next
   * barrier. Nothing may be installed over it until that table says that it is missing.
   */
  #someUntold(first: number, end: number): boolean {
    const { table } = this.#parts.store;
    if (!table.someMissing(first, end)) return false;
    for (let block = first; block < end; block++) {
      if (table.contentOf(block) === DATA && table.isChanged(block)) return true;
    }
    return false;
  }

  /** The missing run that begins exactly at the block, without blocks that were asked for already. */
  #nextUnasked(block: number, end: number, cause: FetchCause): BlockRun | undefined {
    const run = this.#parts.store.table.nextMissing(block, block + 1, 1);
    if (run === undefined) return undefined;
    const whole = this.#parts.store.table.nextMissing(block, end, RUN_BLOCKS_MAX) ?? run;
    return { ...whole, count: this.#asked.nextWaitedFor(block + 1, block + whole.count, cause) - block };
  }

  #start(holder: number, runs: readonly BlockRun[], errand: Errand): Promise<void> {
    const { store, node } = this.#parts;
    const holderName = store.holderName(holder);
    const asked: Asked = new Map([[node, TIMES_MAX]]);
    const fetched = (
      holderName === '' || holderName === node
        ? Promise.all(runs.map((run) => this.#askNext({ run, hint: '' }, asked, errand)))
        : this.#ask(holderName, runs, asked, errand)
    ).then(() => undefined);
    return this.#asked.put(runs, fetched, errand.cause);
  }

  /** Asks one node, then others for what it has not got; others beside it while it says nothing. */
  async #ask(node: string, runs: readonly WantedRun[], asked: Asked, errand: Errand): Promise<void> {
    const { clock } = this.#parts;
    const nowAsked = new Map([...asked, [node, (asked.get(node) ?? 0) + 1]]);
    const request = this.#request(node, runs, errand);
    const silent = Promise.withResolvers<undefined>();
    const patienceMs = this.#silent.has(node) ? 0 : PATIENCE_MS[errand.cause];
    const timer = clock.setTimer(patienceMs, () => {
      this.#silent.add(node);
      silent.resolve(undefined);
    });
    try {
      const absent = await Promise.race([request.absent, silent.promise]);
      if (absent === undefined) await this.#askBeside(request, runs, nowAsked, errand);
      else await Promise.all(absent.map((one) => this.#askNext(one, nowAsked, errand)));
    } finally {
      timer.cancel();
      request.leave();
      this.#silent.over(node, request.end);
    }
  }

  /** The node is silent: what has not come is asked of the next one too, and whoever brings it first will do. */
  async #askBeside(silent: Request, runs: readonly WantedRun[], asked: Asked, errand: Errand): Promise<void> {
    const wanted = runs.flatMap((run) => this.#stillWanted(run));
    if (wanted.length === 0) return;
    const members = this.#parts.members();
    const next = members.find((node) => !asked.has(node));
    // The others are asked meanwhile: when it has denied at last, only its hint leads on.
    const askedTill: Asked = new Map([...members.map((node) => [node, 1] as const), ...asked]);
    const late = silent.absent.then(async (absent) => {
      await Promise.all(absent.map((one) => this.#askNext(one, askedTill, errand)));
    });
    if (next === undefined) return late;
    const beside = this.#ask(next, wanted, asked, errand);
    try {
      await Promise.any([late, beside]);
    } catch {
      // Both failed; a disk that refused what came says more than that others had nothing.
      await late.catch((error: unknown) => {
        if (codeOf(error) !== 'BLOCKS_LOST') throw error;
      });
      await beside;
    }
  }

  #request(node: string, runs: readonly WantedRun[], { cause, giveUp }: Errand): Request {
    const { promise, resolve, reject } = Promise.withResolvers<Absent[]>();
    // Whoever asks hears of it; an answer that comes after another's has no one who waits.
    promise.catch(() => undefined);
    const absent: Absent[] = [];
    let open = runs.reduce((sum, run) => sum + run.count, 0);
    let isLeft = false;
    const answered = (count: number): void => {
      open -= count;
      if (open === 0) resolve(absent);
    };
    const end = this.#parts.source.request(node, this.#parts.store.layer, runs, cause, {
      arrived: (run, data) => {
        this.#silent.delete(node);
        if (isLeft) return;
        try {
          for (const bad of this.#install(run, data, cause)) absent.push({ run: bad, hint: '' });
          answered(run.count);
        } catch (error) {
          reject(error);
        }
      },
      absent: (run, hint) => {
        this.#silent.delete(node);
        absent.push({ run, hint });
        answered(run.count);
      },
    });
    const abort = (): void => reject(givenUp(this.#parts.store.image));
    if (giveUp?.aborted === true) abort();
    else giveUp?.addEventListener('abort', abort);
    const leave = (): void => {
      isLeft = true;
    };
    return { absent: promise, leave, end };
  }

  /** Nobody but a member can be reached: a hint at another is none. */
  async #askNext({ run, hint }: Absent, asked: Asked, errand: Errand): Promise<void> {
    if (this.#stillWanted(run).length === 0) return;
    const members = this.#parts.members();
    const isHintOfUse = members.includes(hint) && (asked.get(hint) ?? 0) < TIMES_MAX;
    const next = isHintOfUse ? hint : members.find((node) => !asked.has(node));
    if (next === undefined) throw lost(this.#parts.store.image, run, asked);
    await this.#ask(next, [run], asked, errand);
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
      if (checksumAt(data, index * BLOCK_BYTES) === this.#parts.store.table.sumOf(block)) return true;
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
    store.table.arrived(first, first + count);
    this.fetchedBlocks[cause] += count;
  }

  #isWanted(run: WantedRun, block: number): boolean {
    const { table, zeros } = this.#parts.store;
    if (table.isChanged(block) || zeros.isBusy(block, block + 1)) return false;
    return table.equals(block, run.high, run.low) && table.contentOf(block) === DATA;
  }

  /** The parts of the run that are wanted still. */
  #stillWanted(run: WantedRun): WantedRun[] {
    const parts: WantedRun[] = [];
    const end = run.first + run.count;
    for (let block = run.first; block < end; ) {
      let until = block;
      while (until < end && this.#isWanted(run, until)) until++;
      if (until > block) parts.push({ ...run, first: block, count: until - block });
      block = Math.max(until, block + 1);
    }
    return parts;
  }
}

function blocksOf(data: Uint8Array, first: number, end: number): Uint8Array {
  return data.subarray(first * BLOCK_BYTES, end * BLOCK_BYTES);
}

function givenUp(image: string): OperationError {
  const remedy = 'Bring back the node that has them.';
  return new OperationError('FETCH_GIVEN_UP', `blocks of image ${image} are waited for no longer`, { remedy });
}

function lost(image: string, run: WantedRun, asked: Asked): OperationError {
  const blocks = `blocks ${run.first} to ${run.first + run.count - 1} of image ${image}`;
  return new OperationError(
    'BLOCKS_LOST',
    `no node has a good copy of ${blocks}; asked: ${[...asked.keys()].join(', ')}`,
    {
      remedy: 'Bring back a node that had the image, or recover it from a recovery point.',
    },
  );
}
